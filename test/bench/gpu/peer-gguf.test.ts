/** Files for llama.cpp: it loads them in every format, and what it computes with them is finite and no constant. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { llamaLogits } from '../../support/llama-cpp.ts';
import { writeRandomGguf } from './peer-gguf.ts';
import { MODELS } from './random-model.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-peer-'));
});
afterAll(() => rm(folder, { recursive: true }));

test.each(['f32', 'f16', 'q8', 'q4'] as const)(
  'llama.cpp computes with a random model in %s',
  async (format) => {
    const path = join(folder, `${format}.gguf`);
    const config = MODELS['tiny']!;
    await writeRandomGguf(config, format, path);
    const { vocabularySize } = config;
    const logits = await llamaLogits({ model: await readFile(path), tokens: [5, 77, 200], vocabularySize });
    expect(logits.length).toBe(3);
    for (const row of logits) {
      expect(row.every(Number.isFinite)).toBe(true);
      expect(new Set(row).size).toBeGreaterThan(100);
    }
  },
);
