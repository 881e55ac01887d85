/**
 * What a kernel is: one operation on flat buffers, said once and computed by every device.
 *
 * A folder `kernels/<op>/` holds `op.ts` (this spec), `op.reference.ts` (plain TypeScript, obviously right),
 * `op.simd.ts` (AssemblyScript), `op.wgsl` (WebGPU, where it exists) and `cases.ts` (inputs that every device is
 * checked on). All take the bindings in spec order, then the params in spec order. The AssemblyScript export has the
 * kernel's name and takes pointers, params, and then the half-open range of work items `start, end` it has to do.
 *
 * Work items are independent: no two write the same element, and the order in which one element is reduced depends on
 * that element alone, never on how items are spread over threads.
 */

export type ElementType = 'f32' | 'u32';

/** Ways of keeping f32 in less memory; see formats.ts. */
export type CompactFormat = 'f16' | 'q8' | 'q4';

export interface Binding {
  readonly name: string;
  readonly access: 'read' | 'write' | 'readwrite';
  readonly type: ElementType;
  /** Formats in which the tensor may come instead of f32. The reference gets them decoded. */
  readonly formats?: readonly CompactFormat[];
}

export interface Param {
  readonly name: string;
  readonly type: 'u32' | 'f32';
}

/** Flat views of a kernel's bindings by name. The reference runs in the precision of the arrays it is given. */
export type ReferenceBindings = Readonly<Record<string, Float32Array | Float64Array | Uint32Array>>;
export type Params = Readonly<Record<string, number>>;

export type ShaderConstants = Readonly<Record<string, number>>;

export interface KernelSpec {
  /** snake_case; the name of the folder, of the AssemblyScript export and of the .wgsl file. */
  readonly name: string;
  readonly bindings: readonly Binding[];
  readonly params: readonly Param[];
  /** Number of independent work items. */
  readonly items: (params: Params) => number;
  /** Items handed to one thread at a time; default: an even share. */
  readonly grain?: (params: Params) => number;
  /** Bytes of scratch that one thread needs; none by default. */
  readonly scratch?: (params: Params) => number;
  readonly reference: (bindings: ReferenceBindings, params: Params) => void;
  readonly simd?: {
    /**
     * Bindings that the AssemblyScript export takes in all their formats. For each, in this order, two arguments follow the
     * params: the format's number (see simd/formats.simd.ts) and the pointer of its scales, which formats without any
     * never read.
     */
    readonly encoded: readonly string[];
  };
  /** Present where `<name>.wgsl` exists. */
  readonly webgpu?: {
    readonly workgroups: (params: Params) => readonly [number, number, number];
    /**
     * Small read-only bindings that the device copies into one, `packed`, since WebGPU guarantees no more than eight
     * storage buffers. The params end with the place of each, `<binding>_at`, in words.
     */
    readonly packed?: readonly string[];
    /**
     * Constants that the shader is compiled with, such as the rows of a tile: `choose` picks one of `choices` by the size
     * of the work, and `workgroups` agrees with it.
     */
    readonly constants?: {
      readonly choices: readonly ShaderConstants[];
      readonly choose: (params: Params) => ShaderConstants;
    };
    /**
     * Params that a model fixes: the shader declares them as `override`, one pipeline for each set of them, and its
     * `Params` has the others, which change from step to step.
     */
    readonly overrides?: readonly string[];
  };
}

/** One input of a check: every device must agree with the reference on it. */
export interface KernelCase {
  readonly title: string;
  readonly params: Params;
  /** Initial contents by binding name; write-only bindings give their length. */
  readonly inputs: Readonly<Record<string, Float32Array | Uint32Array>>;
  readonly outputs: Readonly<Record<string, number>>;
}

/** Marks an empty place in a list of expert slots or targets. */
export const NONE = 0xffffffff;

/** Lists of rows that `simd/grouped.simd.ts` multiplies together, 256 at a time. */
export const GROUPED_ROWS = 256;
export const GROUPED_SCRATCH_BYTES = GROUPED_ROWS * 17 + 32;

/** Scratch of one tile of a matrix product: packed panels of both sides and a ragged block. */
export const GEMM_SCRATCH_BYTES = (256 * 256 + 256 * 198) * 4 + 256;
