/**
 * Writes GGUF v3 files, so that llama.cpp can read the very tensors a test gives to our model: a Qwen3 model with a toy
 * tokenizer (tests speak in token ids), and a LoRA adapter made of one expert of a shard.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import type { ModelConfig } from '../../src/model/config.ts';
import type { ShardFile } from '../../src/model/shard-file.ts';
import type { OracleModel } from './qwen3-oracle.ts';

type GgufValue =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'i32s'; readonly value: readonly number[] };

/** What a file's header says of a tensor. */
interface GgufEntry {
  readonly name: string;
  readonly type: keyof typeof TENSOR_TYPES;
  /** Row-major, as everywhere else here; GGUF's order, fastest first, is made when writing. */
  readonly shape: readonly number[];
  readonly byteLength: number;
}

interface GgufTensor extends Pick<GgufEntry, 'name' | 'shape'> {
  readonly values: Float32Array;
}

const TENSOR_TYPES = { f32: 0, f16: 1, q4_0: 2, q8_0: 8 } as const;
const TYPE_IDS = { u32: 4, f32: 6, string: 8, array: 9, i32: 5 } as const;
/** Of tensors, in bytes. */
export const GGUF_ALIGNMENT = 32;

/** All that comes before the tensors, which follow in order, each padded to the alignment. */
function ggufHeader(
  metadata: Readonly<Record<string, GgufValue>>,
  entries: readonly GgufEntry[],
): Uint8Array {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode('GGUF'));
  out.u32(3);
  out.u64(entries.length);
  out.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    out.string(key);
    writeValue(out, value);
  }
  let offset = 0;
  for (const { name, type, shape, byteLength } of entries) {
    out.string(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(TENSOR_TYPES[type]);
    out.u64(offset);
    offset += align(byteLength);
  }
  out.pad();
  return out.finish();
}

function writeGguf(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Uint8Array {
  const entries = tensors.map(({ name, shape, values }) => {
    const { byteLength } = values;
    return { name, type: 'f32', shape, byteLength } as const;
  });
  const out = new ByteWriter();
  out.bytes(ggufHeader(metadata, entries));
  for (const { values } of tensors) {
    out.bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    out.pad();
  }
  return out.finish();
}

/** The header of a model whose tensors, by their names in a checkpoint, somebody else writes. */
export function ggufModelHeader(config: ModelConfig, tensors: readonly GgufEntry[]): Uint8Array {
  const entries = tensors.map((tensor) => ({ ...tensor, name: tensorName(tensor.name) }));
  return ggufHeader({ ...architecture(config), ...toyTokenizer(config.vocabularySize) }, entries);
}

export function ggufModel({ config, tensors }: OracleModel): Uint8Array {
  const entries = [...tensors].map(([name, values]) => {
    const ggufName = tensorName(name);
    const columns = name === 'model.embed_tokens.weight' ? config.hiddenSize : columnsOf(name, config);
    const shape = columns === undefined ? [values.length] : [values.length / columns, columns];
    return { name: ggufName, shape, values };
  });
  return writeGguf({ ...architecture(config), ...toyTokenizer(config.vocabularySize) }, entries);
}

/** llama.cpp scales an adapter by alpha / rank, as a shard with one expert does (its only gate is 1). */
export function ggufLora(shard: ShardFile, config: ModelConfig, expert = 0): Uint8Array {
  const { rank, alpha } = shard.metadata;
  const names = { gate_proj: 'ffn_gate', up_proj: 'ffn_up', down_proj: 'ffn_down' } as const;
  const tensors = shard.layers.flatMap(({ linears }, layer) =>
    (['gate_proj', 'up_proj', 'down_proj'] as const).flatMap((linear): GgufTensor[] => {
      const halves = linears[linear];
      if (halves === undefined) return [];
      const [input, output] =
        linear === 'down_proj'
          ? [config.intermediateSize, config.hiddenSize]
          : [config.hiddenSize, config.intermediateSize];
      const A = halves.A.subarray(expert * rank * input, (expert + 1) * rank * input);
      const B = halves.B.subarray(expert * output * rank, (expert + 1) * output * rank);
      const name = `blk.${layer}.${names[linear]}.weight`;
      return [
        { name: `${name}.lora_a`, shape: [rank, input], values: A },
        { name: `${name}.lora_b`, shape: [output, rank], values: B },
      ];
    }),
  );
  const metadata: Record<string, GgufValue> = {
    'general.architecture': { type: 'string', value: 'qwen3' },
    'general.type': { type: 'string', value: 'adapter' },
    'adapter.type': { type: 'string', value: 'lora' },
    'adapter.lora.alpha': { type: 'f32', value: alpha },
  };
  return writeGguf(metadata, tensors);
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value });

function architecture(config: ModelConfig): Record<string, GgufValue> {
  return {
    'general.architecture': { type: 'string', value: 'qwen3' },
    'general.file_type': u32(0),
    'qwen3.context_length': u32(config.maxPositions),
    'qwen3.embedding_length': u32(config.hiddenSize),
    'qwen3.block_count': u32(config.layers),
    'qwen3.feed_forward_length': u32(config.intermediateSize),
    'qwen3.attention.head_count': u32(config.heads),
    'qwen3.attention.head_count_kv': u32(config.keyValueHeads),
    'qwen3.attention.key_length': u32(config.headSize),
    'qwen3.attention.value_length': u32(config.headSize),
    'qwen3.attention.layer_norm_rms_epsilon': { type: 'f32', value: config.rmsNormEpsilon },
    'qwen3.rope.freq_base': { type: 'f32', value: config.ropeTheta },
  };
}

/** As many tokens as the model has; two of them can be merged, since a vocabulary without merges is refused. */
function toyTokenizer(vocabularySize: number): Record<string, GgufValue> {
  const tokens = Array.from({ length: vocabularySize }, (_, id) => `t${id}`);
  tokens.splice(0, 4, 'a', 'b', 'ab', 'Ċ');
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'qwen2' },
    'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32s', value: tokens.map(() => 1) },
    'tokenizer.ggml.merges': { type: 'strings', value: ['a b'] },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: 0 },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: 1 },
  };
}

function tensorName(name: string): string {
  const outer: Record<string, string> = {
    'model.embed_tokens.weight': 'token_embd.weight',
    'model.norm.weight': 'output_norm.weight',
    'lm_head.weight': 'output.weight',
  };
  const inner: Record<string, string> = {
    input_layernorm: 'attn_norm',
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm',
    post_attention_layernorm: 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
  };
  const known = outer[name];
  if (known !== undefined) return known;
  const match = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name);
  const part = inner[match?.[2] ?? ''];
  if (match === null || part === undefined) throw new Error(`no GGUF name for ${name}`);
  return `blk.${match[1]}.${part}.weight`;
}

/** Undefined for vectors. */
function columnsOf(name: string, config: ModelConfig): number | undefined {
  if (name.includes('norm')) return undefined;
  if (name.includes('o_proj')) return config.heads * config.headSize;
  return name.includes('down_proj') ? config.intermediateSize : config.hiddenSize;
}

function writeValue(out: ByteWriter, entry: GgufValue): void {
  if (entry.type === 'strings' || entry.type === 'i32s') {
    out.u32(TYPE_IDS.array);
    out.u32(entry.type === 'strings' ? TYPE_IDS.string : TYPE_IDS.i32);
    out.u64(entry.value.length);
    for (const value of entry.value) {
      if (typeof value === 'string') out.string(value);
      else out.u32(value);
    }
    return;
  }
  out.u32(TYPE_IDS[entry.type]);
  if (entry.type === 'string') out.string(entry.value);
  else if (entry.type === 'u32') out.u32(entry.value);
  else out.f32(entry.value);
}

function align(length: number): number {
  return Math.ceil(length / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;
}

class ByteWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  bytes(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  u32(value: number): void {
    this.bytes(new Uint8Array(Uint32Array.of(value).buffer));
  }

  f32(value: number): void {
    this.bytes(new Uint8Array(Float32Array.of(value).buffer));
  }

  u64(value: number): void {
    this.bytes(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  string(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u64(encoded.length);
    this.bytes(encoded);
  }

  pad(): void {
    this.bytes(new Uint8Array(align(this.#length) - this.#length));
  }

  finish(): Uint8Array {
    const file = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      file.set(part, offset);
      offset += part.length;
    }
    return file;
  }
}
