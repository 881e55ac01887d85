/** One sparse-expert linear layer, forward and backward in one submission: y = W x + Σ_k w_k · scale · B_k A_k x. */
import assert from 'node:assert/strict';
import { kernels } from '../../kernels/index.ts';
import { createCaseRandom } from '../../kernels/random-case.ts';
import { randomRoutes } from '../../kernels/random-routes.ts';
import type { KernelSpec, Params } from '../../kernels/kernel.ts';
import type { Device, Dispatch, Tensor } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { normalisedError } from './check-kernel.ts';

/** Tokens, inputs, outputs, rank, expert slots, experts of a route, experts of a token. */
const T = 13;
const N = 24;
const M = 30;
const R = 8;
const S = 12;
const max_experts = 8;
const K = 2;

const RESULTS = ['y', 'loss', 'dx', 'dW', 'da', 'db', 'drouter'];

/** Holds y, the loss and all gradients against the reference device in doubles. */
export async function checkExpertLayer(device: Device): Promise<void> {
  const expected = await runLayer(createReferenceDevice({ precision: 'f64' }));
  const actual = await runLayer(device);
  for (const name of RESULTS) {
    const error = normalisedError(actual[name]!, expected[name]!);
    assert(error <= 1e-10, `${name}: NMSE ${error}`);
    assert(
      expected[name]!.some((value) => value !== 0),
      `${name} is zero everywhere`,
    );
  }
}

async function runLayer(device: Device): Promise<Record<string, Float32Array>> {
  const random = createCaseRandom(7);
  const tensors: Record<string, Tensor> = {};
  const put = async (name: string, contents: Float32Array | Uint32Array): Promise<void> => {
    const buffer = device.allocate(contents.byteLength, name);
    const type = contents instanceof Float32Array ? 'f32' : 'u32';
    tensors[name] = { buffer, byteOffset: 0, shape: [contents.length], type };
    await device.write(buffer, 0, contents);
  };
  const routes = [
    { shards: [4], topK: 2 },
    { shards: [], topK: 0 },
    { shards: [4, 4], topK: 2 },
  ];
  const contents = {
    x: random.normals(T * N),
    W: random.normals(M * N, 0.2),
    router: random.normals(S * N, 0.3),
    a: random.normals(S * R * N, 0.2),
    b: random.normals(S * M * R, 0.3),
    scales: random.uniforms(S, 1, 2),
    route_of_token: random.integers(T, routes.length),
    ...randomRoutes(random, routes, S, max_experts),
    targets: random.integers(T, M),
    token_weights: new Float32Array(T).fill(1 / T),
    chosen: new Uint32Array(T * K),
    slots: new Uint32Array(T * K),
  };
  const sizes = Object.entries({
    logits: T * max_experts,
    weights: T * K,
    h: T * K * R,
    y: T * M,
    loss: T,
    dy: T * M,
    dh: T * K * R,
    dweights: T * K,
    dlogits: T * max_experts,
    dx: T * N,
    dW: M * N,
    da: S * R * N,
    db: S * M * R,
    drouter: S * N,
  });
  for (const [name, values] of Object.entries(contents)) await put(name, values);
  for (const [name, length] of sizes) await put(name, new Float32Array(length));
  await device.submit(layerDispatches(tensors));
  const results: Record<string, Float32Array> = {};
  for (const name of RESULTS) {
    const { buffer } = tensors[name]!;
    results[name] = new Float32Array(await device.read(buffer, 0, buffer.byteLength));
  }
  for (const { buffer } of Object.values(tensors)) device.free(buffer);
  return results;
}

function layerDispatches(tensors: Readonly<Record<string, Tensor>>): Dispatch[] {
  const params = { T, N, M, R, S, K, C: N, V: M, max_experts, n: T * M };
  /** Each binding is the tensor of its own name, unless `renamed` says which. */
  const run = (kernel: KernelSpec, renamed: Record<string, string> = {}, more: Params = {}): Dispatch => ({
    kernel,
    bindings: Object.fromEntries(kernel.bindings.map(({ name }) => [name, tensors[renamed[name] ?? name]!])),
    params: { ...params, ...more },
  });
  const product = (a: string, b: string, c: string, more: Params): Dispatch =>
    run(kernels.matmul, { a, b, c }, { a_transposed: 0, b_transposed: 0, accumulate: 0, ...more });
  return [
    product('x', 'W', 'y', { M: T, N: M, K: N, b_transposed: 1 }),
    run(kernels.expertGate),
    run(kernels.expertShrink),
    run(kernels.expertExpand),
    run(kernels.copy, { x: 'y', y: 'dy' }),
    run(kernels.crossEntropy, { logits: 'dy' }),
    product('dy', 'W', 'dx', { M: T, N, K: M }),
    product('dy', 'x', 'dW', { M, N, K: T, a_transposed: 1 }),
    run(kernels.expertExpandBackward),
    run(kernels.expertExpandBackwardWeight),
    run(kernels.expertShrinkBackward),
    run(kernels.expertShrinkBackwardWeight),
    run(kernels.expertGateBackward),
    run(kernels.expertGateBackwardInput),
    run(kernels.expertGateBackwardWeight),
  ];
}
