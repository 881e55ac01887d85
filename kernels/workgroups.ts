/** Sizes of WebGPU dispatches. A shader finds its own number as group.y * groups.x + group.x, and returns past the end. */

export type Workgroups = readonly [number, number, number];

/** WebGPU's limit for one dimension of a dispatch, on every device. */
const MOST = 65_535;

/** At least `count` workgroups, over two dimensions where one does not reach. */
export function workgroups(count: number): Workgroups {
  const y = Math.ceil(count / MOST);
  return [Math.ceil(count / Math.max(1, y)), y, 1];
}

/** Workgroups of 64 for at least `count` invocations. */
export function invocations(count: number): Workgroups {
  return workgroups(Math.ceil(count / 64));
}
