import { exports } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import modelBytes from '../../../weights/router/router.onnx';
import { createFallbackRouter } from '../../../src/base/router/fallback.ts';
import { forward, routerFeatures } from '../../../src/base/router/model.ts';
import { loadOnnxModel } from '../../../src/edge/router/onnx.ts';
import type { Router, RouterMessage } from '../../../src/base/router/types.ts';

/** Typed here: the types of `exports` describe one Worker only, and that is the gateway. */
const entrypoint: Router = Reflect.get(exports, 'RouterEntrypoint');

const PROMPTS: readonly (readonly RouterMessage[])[] = [
  [{ role: 'user', content: '最近总是胸闷心悸，心电图提示房颤，需要吃什么药？' }],
  [{ role: 'user', content: '宝宝八个月，发烧三十九度还拉肚子，怎么办' }],
  [{ role: 'user', content: '' }],
  [],
  [{ role: 'user', content: '𠮷 emoji 👩‍⚕️ ﾊﾝｶｸ Full　Width' }],
  [{ role: 'user', content: '胃痛'.repeat(5_000) }],
  [
    { role: 'user', content: '乙肝大三阳怎么治疗' },
    { role: 'assistant', content: '需要抗病毒治疗。' },
    { role: 'user', content: '那平时饮食要注意什么' },
  ],
];

describe('the router in onnxruntime', () => {
  it('agrees with the TypeScript forward to 1e-6 on every prompt', async () => {
    const { model } = createFallbackRouter(modelBytes);
    const onnx = await loadOnnxModel(modelBytes);
    for (const messages of PROMPTS) {
      const features = routerFeatures(messages, model.metadata);
      const expected = forward(model, features);
      const actual = await onnx.run(features);
      expect(actual.length).toBe(expected.length);
      for (const [label, probability] of expected.entries()) {
        expect(Math.abs((actual[label] ?? Number.NaN) - probability)).toBeLessThan(1e-6);
      }
    }
  });

  it('leaves WebAssembly.instantiate as it was', async () => {
    const original = WebAssembly.instantiate;
    await loadOnnxModel(modelBytes);
    expect(WebAssembly.instantiate).toBe(original);
  });
});

describe('RouterEntrypoint', () => {
  it('answers at once in TypeScript, then by onnxruntime, with the same probabilities', async () => {
    const messages: RouterMessage[] = [{ role: 'user', content: '怀孕三个月，下腹隐痛有少量出血，会流产吗' }];
    const first = await entrypoint.route(messages);
    expect(first.router).toBe('fallback');
    expect(first.specialties[0]?.specialty).toBe('obgyn');

    let warm = first;
    while (warm.router !== 'onnx') {
      await scheduler.wait(20);
      warm = await entrypoint.route(messages);
    }
    expect(warm.specialties.map((entry) => entry.specialty)).toEqual(
      first.specialties.map((entry) => entry.specialty),
    );
    for (const [index, entry] of warm.specialties.entries()) {
      expect(entry.probability).toBeCloseTo(first.specialties[index]?.probability ?? Number.NaN, 6);
    }
  });

  it('answers eight requests at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () =>
        entrypoint.route([{ role: 'user', content: '失眠焦虑，情绪低落，不想上班' }]),
      ),
    );
    for (const result of results) expect(result.specialties[0]?.specialty).toBe('psychiatry');
  });

  it('serves nothing over HTTP', async () => {
    const response = await exports.default.fetch('http://router/');
    expect(response.status).toBe(404);
  });
});
