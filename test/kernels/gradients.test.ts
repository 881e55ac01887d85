/** Every backward kernel against central differences of its forward kernel, both in doubles. */
import { describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelCase, KernelSpec, Params } from '../../kernels/kernel.ts';
import { pick } from '../../kernels/pick.ts';
import {
  dot,
  expectGradient,
  finiteCases,
  normals,
  outputLengths,
  runInDoubles as run,
  type Bindings,
} from '../support/finite-differences.ts';

/** d(Σ dy · y)/dx, with y an output of `forward`, must be what `backward` puts into `gradient`. */
interface Row {
  readonly forward: KernelSpec;
  readonly backward: KernelSpec;
  /** Output of the forward kernel, and the binding of the backward kernel that takes its gradient. */
  readonly upstream: readonly [string, string];
  /** Input of the forward kernel, and the binding of the backward kernel that gives its gradient. */
  readonly gradient: readonly [string, string];
}

const rows: readonly Row[] = [
  {
    forward: kernels.embedding,
    backward: kernels.embeddingBackward,
    upstream: ['y', 'dy'],
    gradient: ['table', 'dtable'],
  },
  {
    forward: kernels.rmsNorm,
    backward: kernels.rmsNormBackward,
    upstream: ['y', 'dy'],
    gradient: ['x', 'dx'],
  },
  {
    forward: kernels.rmsNorm,
    backward: kernels.rmsNormBackwardWeight,
    upstream: ['y', 'dy'],
    gradient: ['weight', 'dweight'],
  },
  ...(['q', 'k', 'v'] as const).map((input): Row => ({
    forward: kernels.attentionTrain,
    backward: kernels.attentionTrainBackward,
    upstream: ['o', 'd_o'],
    gradient: [input, `d${input}`],
  })),
  {
    forward: kernels.swiglu,
    backward: kernels.swigluBackward,
    upstream: ['y', 'dy'],
    gradient: ['gate', 'dgate'],
  },
  {
    forward: kernels.swiglu,
    backward: kernels.swigluBackward,
    upstream: ['y', 'dy'],
    gradient: ['up', 'dup'],
  },
  {
    forward: kernels.expertShrink,
    backward: kernels.expertShrinkBackward,
    upstream: ['h', 'dh'],
    gradient: ['x', 'dx'],
  },
  {
    forward: kernels.expertShrink,
    backward: kernels.expertShrinkBackwardWeight,
    upstream: ['h', 'dh'],
    gradient: ['a', 'da'],
  },
  {
    forward: kernels.expertExpand,
    backward: kernels.expertExpandBackward,
    upstream: ['y', 'dy'],
    gradient: ['h', 'dh'],
  },
  {
    forward: kernels.expertExpand,
    backward: kernels.expertExpandBackward,
    upstream: ['y', 'dy'],
    gradient: ['weights', 'dweights'],
  },
  {
    forward: kernels.expertExpand,
    backward: kernels.expertExpandBackwardWeight,
    upstream: ['y', 'dy'],
    gradient: ['b', 'db'],
  },
];

describe('agrees with finite differences', () => {
  test.each(rows)('$backward.name, $gradient.1', ({ forward, backward, upstream, gradient }) => {
    for (const kernelCase of finiteCases(forward)) {
      const { inputs, params } = kernelCase;
      const dy = normals(run(forward, inputs, params)[upstream[0]]!.length, 1);
      const given = { ...run(forward, inputs, params), [upstream[1]]: dy };
      const actual = runBackward(backward, given, backwardParams(backward, kernelCase), gradient[1]);
      const loss = (changed: Float64Array): number =>
        dot(run(forward, { ...inputs, [gradient[0]]: changed }, params)[upstream[0]]!, dy);
      expectGradient(actual, loss, inputs[gradient[0]]!, kernelCase.title);
    }
  });

  test('matmul in its transposed forms is its own backward pass', () => {
    for (const kernelCase of finiteCases(kernels.matmul)) {
      const { inputs, params } = kernelCase;
      if (!params.b_transposed || params.a_transposed || inputs.b!.length > 1000) continue;
      const { M, N, K } = pick(params, 'M', 'N', 'K');
      const dc = normals(M * N, 1);
      const fresh = { ...inputs, c: new Float64Array(M * N) };
      const loss = (changed: Record<string, Float64Array>): number =>
        dot(run(kernels.matmul, { ...fresh, ...changed }, { ...params, accumulate: 0 }).c!, dc);
      const toInput = { M, N: K, K: N, a_transposed: 0, b_transposed: 0, accumulate: 0 };
      const da = run(kernels.matmul, { a: dc, b: inputs.b!, c: new Float64Array(M * K) }, toInput).c!;
      expectGradient(da, (a) => loss({ a }), inputs.a!, `da, ${kernelCase.title}`);
      const toWeight = { M: N, N: K, K: M, a_transposed: 1, b_transposed: 0, accumulate: 0 };
      const db = run(kernels.matmul, { a: dc, b: inputs.a!, c: new Float64Array(N * K) }, toWeight).c!;
      expectGradient(db, (b) => loss({ b }), inputs.b!, `db, ${kernelCase.title}`);
    }
  });

  test('rope turned the other way is its own backward pass', () => {
    for (const { title, inputs, params } of finiteCases(kernels.rope)) {
      const dy = normals(inputs.x!.length, 1);
      const back = { ...params, direction: -params.direction! };
      const actual = run(kernels.rope, { ...inputs, x: dy }, back).x!;
      expectGradient(
        actual,
        (x) => dot(run(kernels.rope, { ...inputs, x }, params).x!, dy),
        inputs.x!,
        title,
      );
    }
  });

  test('crossEntropy leaves the gradient of its summed loss in the logits', () => {
    for (const { title, inputs, params } of finiteCases(kernels.crossEntropy)) {
      const loss = (logits: Float64Array): number =>
        dot(
          run(kernels.crossEntropy, { ...inputs, logits }, params).loss!,
          new Float64Array(params.T!).fill(1),
        );
      expectGradient(run(kernels.crossEntropy, inputs, params).logits!, loss, inputs.logits!, title);
    }
  });

  test('expertGateBackward, with its input and weight kernels', () => {
    for (const kernelCase of finiteCases(kernels.expertGate).filter(({ title }) => title !== 'equal gates')) {
      const { title, inputs, params } = kernelCase;
      const { T, C, K } = pick(params, 'T', 'C', 'K');
      const forward = run(kernels.expertGate, inputs, params);
      const dweights = normals(T * K, 1);
      const dlogits = runBackward(kernels.expertGateBackward, { ...forward, dweights }, params, 'dlogits');
      const given = { ...forward, dlogits };
      const loss = (changed: Record<string, Float64Array>): number => {
        const moved = run(kernels.expertGate, { ...inputs, ...changed }, params);
        expect(moved.chosen, 'the choice must not change under so small a step').toEqual(forward.chosen);
        return dot(moved.weights!, dweights);
      };
      const dx = runBackward(kernels.expertGateBackwardInput, given, params, 'dx');
      expectGradient(dx, (x) => loss({ x }), inputs.x!, `dx, ${title}`);
      const weightParams = { ...params, S: inputs.router!.length / C };
      const drouter = runBackward(kernels.expertGateBackwardWeight, given, weightParams, 'drouter');
      expectGradient(drouter, (router) => loss({ router }), inputs.router!, `drouter, ${title}`);
    }
  });
});

/** The backward kernel's own case has the params that its forward kernel lacks (sizes of weights). */
function backwardParams(backward: KernelSpec, { title, params }: KernelCase): Params {
  const own = casesOf(backward).find((other) => other.title === title)?.params;
  return { ...params, ...own };
}

/** What the kernel adds to a gradient that is not zero before, or what it overwrites NaN with. */
function runBackward(spec: KernelSpec, given: Bindings, params: Params, gradient: string): Float64Array {
  const lengths = outputLengths(spec, params);
  const before: Bindings = {};
  for (const { name, access } of spec.bindings) {
    if (access === 'read') before[name] = given[name]!;
    else before[name] = access === 'write' ? new Float64Array(lengths[name]!) : normals(lengths[name]!, 3);
  }
  const after = run(spec, before, params);
  const initial =
    spec.bindings.find(({ name }) => name === gradient)!.access === 'write' ? null : before[gradient]!;
  return Float64Array.from(after[gradient]!, (value, i) => value - (initial ? initial[i]! : 0));
}
