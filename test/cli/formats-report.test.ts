/** The report on weight formats, of a tiny model: what must hold whatever the model is. */
import { afterAll, expect, test } from 'vitest';
import { measureFormats } from '../../src/cli/formats-report.ts';
import { renderFormats } from '../../src/cli/formats-table.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { tinyModel, tinyTokens } from '../support/tiny-model.ts';

const model = await tinyModel({ layers: 2 }, { type: 'F16' });
const device = await createWasmDevice({ threads: 1 });
const phases: string[] = [];
const documents = [1, 2, 3].map((seed) => {
  // The second is longer than a window.
  const ids = [...tinyTokens(model, 20 * seed, seed)];
  const mask = Uint8Array.from(ids, (_, position) => Number(position >= 5));
  return { id: `d${seed}`, specialty: null, characters: ids.length - 5, ids, mask };
});
const report = await measureFormats({
  device,
  checkpoint: model.checkpoint,
  baseFingerprint: model.fingerprint,
  documents,
  maxTokens: 32,
  onPhase: (what, total) => phases.push(`${what} ${total}`),
  onProgress: () => {},
});
const [f32, f16, q8, q4] = report.formats;

afterAll(() => device.dispose());

test('f32 is what the others are held against', () => {
  expect(report.formats.map(({ format }) => format)).toEqual(['f32', 'f16', 'q8', 'q4']);
  expect([f32?.minusF32, f32?.difference]).toEqual([null, null]);
  expect(f32?.bitsPerCharacter).toMatchObject({ documents: 3, characters: 105 });
  expect(phases.filter((phase) => phase.endsWith(' 0'))).toHaveLength(4);
});

test('f16 of a checkpoint that is stored so changes nothing', () => {
  expect(f16?.minusF32?.value).toBe(0);
  expect(f16?.difference).toEqual({ tokens: 105, divergence: 0, logitError: 0, sameChoice: 1 });
});

test('fewer bits are further away and take less memory', () => {
  expect(q8!.difference!.divergence).toBeGreaterThan(0);
  expect(q4!.difference!.divergence).toBeGreaterThan(10 * q8!.difference!.divergence);
  expect(q4!.difference!.logitError).toBeGreaterThan(q8!.difference!.logitError);
  expect(q4!.difference!.sameChoice).toBeLessThanOrEqual(q8!.difference!.sameChoice);
  const { hiddenSize: C, headSize: D, layers } = model.config;
  const norms = (layers * (2 * C + 2 * D) + C) * 4;
  const weights = f32!.bytes - norms;
  expect(report.formats.map(({ bytes }) => bytes - norms)).toEqual(
    [1, 1 / 2, 8.5 / 32, 4.5 / 32].map((share) => weights * share),
  );
});

test('the table has a line for each', () => {
  const lines = renderFormats(report).split('\n');
  expect(lines.filter((line) => /^\| (?:f32|f16|q8|q4) \|/u.test(line))).toHaveLength(4);
  expect(lines.find((line) => line.startsWith('| f16'))).toMatch(
    /0\.0000 \(0\.0000 to 0\.0000\).*100\.00 % \|$/u,
  );
});
