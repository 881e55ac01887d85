/** What compact weights cost in quality: each format of the base's matrices against f32, on held-out answers. */
import {
  bitsPerCharacter,
  compareBitsPerCharacter,
  scoreDocuments,
  type DocumentScore,
  type Estimate,
  type ScoredDocument,
} from '../eval/bits-per-character.ts';
import { LogitComparison, surprise, type LogitDifference } from '../eval/compare-logits.ts';
import { checkpointShapes, type Checkpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ForwardBatch, ModelRunner } from '../model/runner.ts';
import { Transformer } from '../model/transformer.ts';
import type { Device } from '../tensor/device.ts';
import { tensorBytes, type NumberFormat } from '../tensor/formats.ts';
import { elements } from '../tensor/tensors.ts';

export interface FormatsRequest {
  readonly device: Device;
  readonly checkpoint: Checkpoint;
  readonly baseFingerprint: string;
  readonly documents: readonly ScoredDocument[];
  /** Longest sequence. */
  readonly maxTokens: number;
  /** A total of 0 ends the phase. */
  readonly onPhase: (what: string, total: number) => void;
  readonly onProgress: (done: number) => void;
}

export interface FormatRow {
  readonly format: NumberFormat;
  /** Of the base's weights; norms are f32 in all. */
  readonly bytes: number;
  readonly bitsPerCharacter: Estimate;
  /** Against f32; null for f32 itself. */
  readonly minusF32: Estimate | null;
  readonly difference: LogitDifference | null;
}

export interface FormatsReport {
  readonly baseFingerprint: string;
  readonly documents: number;
  readonly formats: readonly FormatRow[];
}

/** Windows of a long document overlap by half. */
const STRIDE_SHARE = 0.5;
const PAGE_SIZE = 16;
const COMPACT = ['f16', 'q8', 'q4'] as const;

export async function measureFormats(request: FormatsRequest): Promise<FormatsReport> {
  const { checkpoint, documents, baseFingerprint } = request;
  const open = (weightFormat: NumberFormat): Promise<Transformer> => openModel(request, weightFormat);
  const whole = await open('f32');
  const own = await score(request, 'f32', whole, null);
  const rows: FormatRow[] = [
    {
      format: 'f32',
      bytes: weightBytes(checkpoint.config, 'f32'),
      bitsPerCharacter: bitsPerCharacter(own).overall,
      minusF32: null,
      difference: null,
    },
  ];
  for (const format of COMPACT) {
    const comparison = { model: whole, logits: new LogitComparison() };
    const scores = await score(request, format, await open(format), comparison);
    rows.push({
      format,
      bytes: weightBytes(checkpoint.config, format),
      bitsPerCharacter: bitsPerCharacter(scores).overall,
      minusF32: compareBitsPerCharacter(scores, own).overall,
      difference: comparison.logits.result(),
    });
  }
  return { baseFingerprint, documents: documents.length, formats: rows };
}

function openModel(
  { device, checkpoint, maxTokens }: FormatsRequest,
  weightFormat: NumberFormat,
): Promise<Transformer> {
  return Transformer.load(device, checkpoint, {
    weightFormat,
    maxBatchTokens: maxTokens,
    pageSize: PAGE_SIZE,
    pages: Math.ceil(maxTokens / PAGE_SIZE),
    experts: { slots: 1, rank: 8 },
    maxExpertsPerRoute: 1,
    maxRoutes: 1,
  });
}

function score(
  { documents, maxTokens, onPhase, onProgress }: FormatsRequest,
  what: string,
  model: ModelRunner,
  comparison: { readonly model: ModelRunner; readonly logits: LogitComparison } | null,
): Promise<DocumentScore[]> {
  const scorer = {
    async scoreWindows(windows: readonly { ids: readonly number[]; mask: Uint8Array }[]): Promise<number[]> {
      onPhase(what, windows.length);
      const sums: number[] = [];
      for (const { ids, mask } of windows) {
        const batch = batchOf(ids, mask);
        const logits = await model.forward(batch);
        const others = await comparison?.model.forward(batch);
        const V = model.vocabularySize;
        let sum = 0;
        for (const [row, position] of batch.logitRows.entries()) {
          const values = logits.subarray(row * V, (row + 1) * V);
          sum += surprise(values, ids[position + 1]!);
          if (others) comparison?.logits.add(others.subarray(row * V, (row + 1) * V), values);
        }
        onProgress(sums.push(sum));
      }
      onPhase(what, 0);
      return sums;
    },
  };
  return scoreDocuments(documents, scorer, { maxTokens, stride: Math.floor(maxTokens * STRIDE_SHARE) });
}

/** One sequence, with logits where the next token is scored. */
function batchOf(ids: readonly number[], mask: Uint8Array): ForwardBatch {
  const T = ids.length;
  const maxPages = Math.ceil(T / PAGE_SIZE);
  return {
    tokens: Uint32Array.from(ids),
    positions: Uint32Array.from({ length: T }, (_, position) => position),
    sequences: new Uint32Array(T),
    pageTable: Uint32Array.from({ length: maxPages }, (_, page) => page),
    maxPages,
    routeOfToken: new Uint32Array(T),
    routes: [{ shards: [] }],
    logitRows: Uint32Array.from([...ids.keys()].filter((position) => mask[position + 1] === 1)),
  };
}

function weightBytes(config: ModelConfig, format: NumberFormat): number {
  let bytes = 0;
  for (const shape of checkpointShapes(config).values()) {
    bytes += tensorBytes(shape.length === 1 ? 'f32' : format, elements(shape));
  }
  return bytes;
}
