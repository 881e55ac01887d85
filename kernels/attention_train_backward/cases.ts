/** The shapes of attention_train, on what the forward pass left. */
import type { KernelCase } from '../kernel.ts';
import { attentionTrainReference } from '../attention_train/attention_train.reference.ts';
import { documentStarts } from '../document-starts.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { B: 1, T: 1, H: 1, KV: 1, D: 4, documents: 1 },
  { B: 1, T: 7, H: 2, KV: 1, D: 6, documents: 1 },
  { B: 2, T: 13, H: 4, KV: 2, D: 16, documents: 3 },
  { B: 3, T: 21, H: 6, KV: 2, D: 12, documents: 4 },
  { B: 1, T: 70, H: 2, KV: 2, D: 32, documents: 2 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ B, T, H, KV, D, documents }) => {
  const random = createCaseRandom(T * D);
  const params = { B, T, H, KV, D };
  const forward = {
    q: random.normals(B * T * H * D),
    k: random.normals(B * T * KV * D),
    v: random.normals(B * T * KV * D),
    starts: documentStarts(B, T, documents),
    o: new Float32Array(B * T * H * D),
    log_sum_exp: new Float32Array(B * H * T),
  };
  attentionTrainReference(forward, params);
  return {
    title: `${B} rows of ${T} tokens in ${documents} documents, ${H}/${KV} heads of ${D}`,
    params,
    inputs: { ...forward, d_o: random.normals(B * T * H * D) },
    outputs: { dq: B * T * H * D, dk: B * T * KV * D, dv: B * T * KV * D },
  };
});
