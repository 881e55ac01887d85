/**
 * Bind groups by what they bind, made once: a step that repeats an earlier one, with other numbers in the same buffers,
 * makes none.
 */
import type { Compiled } from './pipelines.ts';

/** Beyond these all are dropped: whoever binds that many different things does not repeat them. */
const MAX_GROUPS = 16_384;

export interface Bound {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

export class BindGroups {
  readonly #device: GPUDevice;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #ids = new Map<GPUBuffer, number>();
  /** Keys of the groups that hold a buffer. */
  readonly #keys = new Map<GPUBuffer, Set<string>>();
  #next = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get({ id, groupLayout }: Compiled, resources: readonly Bound[]): GPUBindGroup {
    let key = String(id);
    for (const { buffer, offset, size } of resources) key += ` ${this.#id(buffer)}+${offset}.${size}`;
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size === MAX_GROUPS) {
      this.#groups.clear();
      this.#keys.clear();
    }
    const group = createGroup(this.#device, groupLayout, resources);
    this.#groups.set(key, group);
    for (const { buffer } of resources) {
      const keys = this.#keys.get(buffer) ?? new Set();
      this.#keys.set(buffer, keys.add(key));
    }
    return group;
  }

  /** For a buffer that is about to be destroyed. */
  forget(buffer: GPUBuffer): void {
    for (const key of this.#keys.get(buffer) ?? []) this.#groups.delete(key);
    this.#keys.delete(buffer);
    this.#ids.delete(buffer);
  }

  #id(buffer: GPUBuffer): number {
    const id = this.#ids.get(buffer) ?? this.#next++;
    this.#ids.set(buffer, id);
    return id;
  }
}

/** One that is not kept, since its buffers live for a single submission. */
export function createGroup(
  device: GPUDevice,
  layout: GPUBindGroupLayout,
  resources: readonly Bound[],
): GPUBindGroup {
  return device.createBindGroup({
    layout,
    entries: resources.map((resource, binding) => ({ binding, resource })),
  });
}
