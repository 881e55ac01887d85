/** Names and shapes of the tensors in an expert shard file: which linears experts may adapt, and what fits together. */
import { CallerError } from './errors.ts';
import type { TensorEntry } from './safetensors-header.ts';

const MAX_EXPERTS = 1024;

/** Linears of the FFN. */
export const FFN_LINEARS = ['gate_proj', 'up_proj', 'down_proj'] as const;
/** Linears of attention. */
export const ATTENTION_LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj'] as const;
/** All that experts may adapt, in the order that files and arenas keep. */
export const ADAPTED_LINEARS = [...FFN_LINEARS, ...ATTENTION_LINEARS] as const;
export type AdaptedLinear = (typeof ADAPTED_LINEARS)[number];

/** The halves of a layer; each has a gate of its own, which reads the half's norm. */
export type ExpertPart = 'ffn' | 'attention';

export function partOf(linear: AdaptedLinear): ExpertPart {
  return FFN_LINEARS.some((own) => own === linear) ? 'ffn' : 'attention';
}

export function routerName(layer: number, part: ExpertPart): string {
  return `layers.${layer}.${part === 'ffn' ? 'router' : 'attention_router'}.weight`;
}

export interface ShardTensorName {
  readonly layer: number;
  readonly part: ExpertPart;
  /** Undefined for a router. */
  readonly linear?: AdaptedLinear;
  readonly half?: 'A' | 'B';
}

export function readTensorName(name: string): ShardTensorName {
  const pattern = /^layers\.(0|[1-9]\d{0,3})\.(?:(attention_)?router\.weight|([a-z_]{1,32})\.lora_([AB]))$/;
  const match = pattern.exec(name);
  if (match === null)
    throw malformed(
      'unknown_tensor',
      `The shard holds a tensor it should not: ${JSON.stringify(name.slice(0, 120))}.`,
    );
  const layer = Number(match[1]);
  if (match[3] === undefined) return { layer, part: match[2] === undefined ? 'ffn' : 'attention' };
  const linear = ADAPTED_LINEARS.find((known) => known === match[3]);
  if (linear === undefined) {
    throw malformed(
      'unknown_tensor',
      `The shard adapts ${match[3]}; supported are ${ADAPTED_LINEARS.join(', ')}.`,
    );
  }
  return { layer, part: partOf(linear), linear, half: match[4] === 'A' ? 'A' : 'B' };
}

type SizeName = 'experts' | 'hidden' | 'intermediate' | 'query' | 'keyValue';

/** Sizes [in, out]. */
const LINEAR_SIZES: Readonly<Record<AdaptedLinear, readonly [SizeName, SizeName]>> = {
  gate_proj: ['hidden', 'intermediate'],
  up_proj: ['hidden', 'intermediate'],
  down_proj: ['intermediate', 'hidden'],
  q_proj: ['hidden', 'query'],
  k_proj: ['hidden', 'keyValue'],
  v_proj: ['hidden', 'keyValue'],
  o_proj: ['query', 'hidden'],
};

/** Learns each size where it is first seen and holds all later tensors to it. */
export class TensorSizes {
  readonly known = new Map<SizeName, number>();
  readonly #rank: number;

  constructor(rank: number) {
    this.#rank = rank;
  }

  of(name: SizeName): number {
    return this.known.get(name) ?? 0;
  }

  check(tensor: TensorEntry, linear: AdaptedLinear | undefined, half: 'A' | 'B' | undefined): void {
    let pattern: (SizeName | 'rank')[] = ['experts', 'hidden'];
    if (linear !== undefined) {
      const [input, output] = LINEAR_SIZES[linear];
      pattern = half === 'A' ? ['experts', 'rank', input] : ['experts', output, 'rank'];
    }
    const fits =
      tensor.shape.length === pattern.length && tensor.shape.every((size, i) => this.#fits(pattern[i], size));
    if (!fits) {
      const wanted = pattern.map((name) => this.#describe(name)).join(', ');
      throw malformed(
        'shape',
        `Tensor ${tensor.name} is [${tensor.shape.join(', ')}], expected was [${wanted}].`,
      );
    }
  }

  #fits(name: SizeName | 'rank' | undefined, size: number): boolean {
    if (name === undefined || size < 1) return false;
    if (name === 'rank') return size === this.#rank;
    if (name === 'experts' && size > MAX_EXPERTS) return false;
    if (!this.known.has(name)) this.known.set(name, size);
    return this.known.get(name) === size;
  }

  #describe(name: SizeName | 'rank' | undefined): string {
    if (name === 'rank') return `rank ${this.#rank}`;
    return name === undefined ? '?' : `${name} ${this.known.get(name) ?? '≥ 1'}`;
  }
}

export function malformed(malformation: string, message: string): CallerError {
  return new CallerError(`shard_${malformation}`, message);
}
