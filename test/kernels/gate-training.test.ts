/**
 * The kernels that train a gate against formulas written down here once more: losses whose central differences must be the
 * gradients, memories that a list of recent vectors describes, noise that must be the same bits everywhere.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import { NONE, type KernelCase, type Params } from '../../kernels/kernel.ts';
import { pick } from '../../kernels/pick.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { bits, runOnDevice } from '../support/check-kernel.ts';
import { dot, expectGradient, finiteCases, normals, runInDoubles } from '../support/finite-differences.ts';

const devices = [Promise.resolve(createReferenceDevice()), createWasmDevice({ threads: 2 })];

afterAll(async () => {
  for (const device of devices) await (await device).dispose();
});

describe('contrast', () => {
  test('leaves the gradient of its weighted loss in the scores, and loss is that of the weights', () => {
    let trained = 0;
    for (const { title, inputs, params } of finiteCases(kernels.contrast)) {
      const { scores, weights } = pick(inputs, 'scores', 'weights');
      const after = runInDoubles(kernels.contrast, inputs, params);
      const loss = (changed: Inputs): number => contrastLoss({ ...inputs, ...changed }, params);
      const dweights = Float64Array.from(after.loss!, (value) => params.scale! * value);
      expectGradient(after.scores!, (x) => loss({ scores: x }), scores, `scores, ${title}`);
      expectGradient(dweights, (x) => loss({ weights: x }), weights, `weights, ${title}`);
      trained += Number(dweights.some((d) => d !== 0));
    }
    expect(trained, 'cases with a loss').toBeGreaterThan(3);
  });

  test('of equal cosines is log of the keys, whatever the temperature', () => {
    const loss = new Float64Array(2);
    const bindings = {
      scores: new Float64Array(2 * 6).fill(0.3),
      anchor_owner: Uint32Array.of(0, 1),
      key_owner: Uint32Array.of(0, 1, NONE, 1, 0, 2),
      weights: Float64Array.of(1, 1),
      loss,
    };
    kernels.contrast.reference(bindings, { M: 2, J: 6, inverse_temperature: 17, scale: 1, exclude_self: 0 });
    for (const value of loss) expect(value).toBeCloseTo(Math.log(5), 12);
  });
});

describe('gate_load and gate_balance_backward', () => {
  test('add the gradient of the balance and z-losses, the choices held fixed', () => {
    for (const load of casesOf(kernels.gateLoad)) {
      const { title, inputs, params } = load;
      const { T, max_experts } = pick(params, 'T', 'max_experts');
      const { stats } = runInDoubles(kernels.gateLoad, inputs, params);
      for (const [balance, z] of [
        [1, 0],
        [0, 1],
        [0.3, 0.7],
      ] as const) {
        const dlogits = normals(T * max_experts, 2);
        const after = runInDoubles(
          kernels.gateBalanceBackward,
          { ...inputs, stats: stats!, dlogits },
          { T, max_experts, balance, z },
        );
        const added = after.dlogits!.map((value, i) => value - dlogits[i]!);
        const loss = (logits: Float64Array): number => {
          const moved = runInDoubles(kernels.gateLoad, { ...inputs, logits }, params).stats!;
          return gateLoss(load, moved, balance, z);
        };
        expectGradient(added, loss, inputs.logits!, `balance ${balance}, z ${z}, ${title}`);
      }
    }
  });

  test('a gate that uses its experts alike has the balance loss 1 and the entropy log E', () => {
    const T = 8;
    const E = 4;
    const kernelCase: KernelCase = {
      title: 'even',
      params: { T, K: 1, S: E, max_experts: E },
      inputs: {
        logits: new Float32Array(T * E),
        route_of_token: new Uint32Array(T),
        route_slots: Uint32Array.from({ length: E }, (_, e) => e),
        route_segments: new Uint32Array(E),
        slots: Uint32Array.from({ length: T }, (_, t) => t % E),
        token_weights: new Float32Array(T).fill(1),
      },
      outputs: {},
    };
    const stats = new Float64Array(E * 5);
    kernels.gateLoad.reference({ ...kernelCase.inputs, stats }, kernelCase.params);
    expect(gateLoss(kernelCase, stats, 1, 0)).toBeCloseTo(1, 12);
    const entropy = stats.reduce((sum, value, i) => sum + (i % 5 === 4 ? value : 0), 0) / T;
    expect(entropy).toBeCloseTo(Math.log(E), 12);
  });
});

test('queue_push keeps the last entries of every owner', async () => {
  const { S, K, D, M } = { S: 3, K: 4, D: 2, M: 7 };
  let state: Inputs = {
    queue: new Float32Array(S * K * D),
    key_owner: new Uint32Array(S * K).fill(NONE),
    heads: new Uint32Array(S),
  };
  const seen: number[][] = Array.from({ length: S }, () => []);
  for (let push = 0; push < 6; push++) {
    const owner = Uint32Array.from({ length: M }, (_, m) => [0, 0, 1, 0, NONE, 0, 0][(m + push) % M]!);
    const z = Float32Array.from({ length: M * D }, (_, i) => push * 100 + i);
    for (const [m, slot] of owner.entries()) if (slot !== NONE) seen[slot]!.push(z[m * D]!);
    state = runInDoubles(kernels.queuePush, { ...state, z, owner }, { M, D, S, K });
    for (const [slot, all] of seen.entries()) {
      const places = Array.from({ length: K }, (_, k) => slot * K + k);
      const held = places.filter((place) => state.key_owner![place] === slot);
      const kept = held.map((place) => state.queue![place * D]!).sort((a, b) => a - b);
      expect(kept, `owner ${slot} after push ${push}`).toEqual(all.slice(-K));
    }
  }
});

describe('jitter', () => {
  test('of ones is the same bits on every device', async () => {
    const n = 5001;
    const kernelCase: KernelCase = {
      title: 'ones',
      params: { n, epsilon: 1, accumulate: 0 },
      inputs: { x: new Float32Array(n).fill(1), seed: Uint32Array.of(7), y: new Float32Array(n) },
      outputs: {},
    };
    const [one, other] = await Promise.all(
      devices.map(async (device) => (await runOnDevice(await device, kernels.jitter, kernelCase)).y!),
    );
    expect(bits(one!)).toEqual(bits(other!));
    const noise = Array.from(one!, (value) => value - 1);
    const mean = noise.reduce((sum, u) => sum + u, 0) / n;
    const square = noise.reduce((sum, u) => sum + u * u, 0) / n;
    expect(Math.abs(mean), 'mean of u, whose deviation is 0.008').toBeLessThan(0.03);
    expect(Math.abs(square - 1 / 3), 'mean of u², whose deviation is 0.004').toBeLessThan(0.015);
    expect(noise.every((u) => u >= -1 && u < 1)).toBe(true);
  });

  test('of another seed is other noise', () => {
    const y = [1, 2].map(
      (seed) =>
        runInDoubles(
          kernels.jitter,
          { x: new Float64Array(1000).fill(1), seed: [seed], y: new Float64Array(1000) },
          { n: 1000, epsilon: 1, accumulate: 0 },
        ).y!,
    );
    const correlation = dot(
      y[0]!.map((value) => value - 1),
      y[1]!.map((value) => value - 1),
    );
    expect(Math.abs((3 * correlation) / 1000), 'deviation 0.03').toBeLessThan(0.12);
  });

  test('is its own backward pass', () => {
    const given = { x: normals(50, 1), seed: [9], y: new Float64Array(50) };
    const params = { n: 50, epsilon: 0.3, accumulate: 0 };
    const dy = normals(50, 2);
    const dx = runInDoubles(kernels.jitter, { ...given, x: dy }, params).y!;
    const loss = (x: Float64Array): number =>
      dot(runInDoubles(kernels.jitter, { ...given, x }, params).y!, dy);
    expectGradient(dx, loss, given.x, 'dx');
  });
});

type Inputs = Readonly<Record<string, ArrayLike<number>>>;

/** scale · Σ over anchors of weight · −mean over positives of log softmax (Khosla et al., 2020, eq. 2). */
function contrastLoss(inputs: Inputs, params: Params): number {
  const { scores, anchor_owner, key_owner, weights } = pick(
    inputs,
    'scores',
    'anchor_owner',
    'key_owner',
    'weights',
  );
  const { J, inverse_temperature, scale } = pick(params, 'J', 'inverse_temperature', 'scale');
  let total = 0;
  for (const [m, owner] of Array.from(anchor_owner).entries()) {
    const keys = Array.from(key_owner, (own, j) => ({
      own,
      s: scores[m * J + j]! * inverse_temperature,
    })).filter(({ own }, j) => own !== NONE && !(params.exclude_self === 1 && j === m));
    const positives = keys.filter(({ own }) => own === owner);
    if (owner === NONE || positives.length === 0 || positives.length === keys.length) continue;
    const largest = Math.max(...keys.map(({ s }) => s));
    const log = largest + Math.log(keys.reduce((sum, { s }) => sum + Math.exp(s - largest), 0));
    total += (weights[m]! * positives.reduce((sum, { s }) => sum + log - s, 0)) / positives.length;
  }
  return scale * total;
}

/** Σ over shards of balance · E · Σ f P + z · mean logsumexp², f from the choices of the case. */
function gateLoss(
  { inputs, params }: KernelCase,
  stats: ArrayLike<number>,
  balance: number,
  z: number,
): number {
  const { route_slots, route_segments } = pick(inputs, 'route_slots', 'route_segments');
  const shards = new Map<string, readonly number[]>();
  for (let route = 0; route * params.max_experts! < route_slots.length; route++) {
    const from = route * params.max_experts!;
    const slots = Array.from(route_slots.slice(from, from + params.max_experts!)).filter(
      (slot) => slot !== NONE,
    );
    for (const segment of new Set(route_segments.slice(from, from + slots.length))) {
      const experts = slots.filter((_, e) => route_segments[from + e] === segment);
      shards.set(experts.join(), experts);
    }
  }
  let total = 0;
  for (const slots of shards.values()) {
    const tokens = stats[slots[0]! * 5 + 2]!;
    if (tokens === 0) continue;
    const chosen = slots.reduce((sum, slot) => sum + stats[slot * 5]!, 0);
    for (const slot of slots) {
      const share = chosen > 0 ? stats[slot * 5]! / chosen : 0;
      total += (balance * slots.length * share * stats[slot * 5 + 1]!) / tokens;
    }
    total += (z * stats[slots[0]! * 5 + 3]!) / tokens;
  }
  return total;
}
