/**
 * What a step reads that changes with every step: tokens, their places, the routes of the batch, how to choose its tokens.
 * All lie in one buffer and go to the device in one write; kernels that read several of them bind that buffer once.
 */
import { attentionWork, type AttentionWorkTensors, type WorkLimits } from '../tensor/attention-ops.ts';
import type { Device, DeviceBuffer, Tensor } from '../tensor/device.ts';
import type { RouteTensors } from '../tensor/expert-ops.ts';
import { LIMITS, SETTINGS, type SamplingTensors } from '../tensor/sampling-ops.ts';
import { buildDrawTables } from './draw-tables.ts';
import type { RouteTables } from './route-tables.ts';
import type { StepBatch } from './runner.ts';

export interface StepInputs {
  /** Where all that the layers read lies, and its shapes: equal for steps that differ in numbers alone. */
  readonly layout: string;
  /** u32 [T] */
  readonly tokens: Tensor;
  /** u32 [T] */
  readonly positions: Tensor;
  /** u32 [T] */
  readonly sequences: Tensor;
  /** u32 [rows, maxPages] */
  readonly pageTable: Tensor;
  readonly attention: AttentionWorkTensors;
  readonly routes: RouteTensors;
  /** u32 [≤ maxLogitRows] each: the wanted rows, in turns. */
  readonly logitRows: readonly Tensor[];
  /** In turns, like `logitRows`. */
  readonly draws: readonly DrawInputs[];
}

export interface DrawInputs extends SamplingTensors {
  /** u32 [≤ maxLogitRows]: rows of the batch after which a token is chosen. */
  readonly after: Tensor;
}

/** Elements between tensors: 256 bytes, the alignment of every device. */
const ALIGNMENT = 64;

export class StepInputBuffer {
  readonly #device: Device;
  readonly #maxLogitRows: number;
  readonly #workLimits: WorkLimits;
  #buffer: DeviceBuffer;
  /** Of the buffer. */
  #generation = 0;
  /** Used in turns: the write of a step may still be on its way when the step behind it is written. */
  #words: readonly [Uint32Array, Uint32Array];

  /** `words`: the size to begin with; it grows with the page table and with what penalties are for. */
  constructor(device: Device, maxLogitRows: number, workLimits: WorkLimits, words: number) {
    this.#device = device;
    this.#maxLogitRows = maxLogitRows;
    this.#workLimits = workLimits;
    this.#words = [new Uint32Array(words), new Uint32Array(words)];
    this.#buffer = device.allocate(words * 4, 'step.inputs');
  }

  /** Ordered like any write: before the submissions that follow. Not before the last but one is `written`. */
  write(batch: StepBatch, tables: RouteTables): { inputs: StepInputs; written: Promise<void> } {
    const { maxPages } = batch;
    const T = batch.tokens.length;
    const parts: { readonly values: Uint32Array; readonly tensor: Omit<Tensor, 'buffer'> }[] = [];
    let length = 0;
    const place = (values: Uint32Array | Float32Array, ...shape: number[]): number => {
      const type: Tensor['type'] = values instanceof Float32Array ? 'f32' : 'u32';
      const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
      parts.push({ values: words, tensor: { byteOffset: length * 4, shape, type } });
      length += Math.ceil(Math.max(1, words.length) / ALIGNMENT) * ALIGNMENT;
      return parts.length - 1;
    };
    const { routes, maxExperts } = tables;
    const tokens = place(batch.tokens, T);
    const positions = place(batch.positions, T);
    const sequences = place(batch.sequences, T);
    const cut = attentionWork(batch.sequences, batch.positions, this.#workLimits);
    const work = place(cut.work, cut.work.length / 4, 4);
    const splits = place(cut.splits, cut.splits.length / 2, 2);
    const routeOfToken = place(batch.routeOfToken, T);
    const slots = place(tables.slots, routes, maxExperts);
    const segments = place(tables.segments, routes, maxExperts);
    const priors = place(tables.priors, routes, maxExperts);
    const topK = place(tables.topKs, routes);
    const pageTable = place(batch.pageTable, batch.pageTable.length / maxPages, maxPages);
    // What the layers read comes first: their places do not move with what the rest needs.
    const ofLayers = parts.length;
    const logitRows: number[] = [];
    for (let from = 0; from < batch.logitRows.length; from += this.#maxLogitRows) {
      const rows = batch.logitRows.subarray(from, from + this.#maxLogitRows);
      logitRows.push(place(rows, rows.length));
    }
    const draws: Record<keyof DrawInputs, number>[] = [];
    for (let from = 0; from < batch.draws.length; from += this.#maxLogitRows) {
      const table = buildDrawTables(batch.draws.slice(from, from + this.#maxLogitRows));
      const rows = table.after.length;
      draws.push({
        after: place(table.after, rows),
        settings: place(table.settings, rows, SETTINGS),
        limits: place(table.limits, rows, LIMITS),
        seen: place(table.seen, table.seen.length / 2, 2),
      });
    }

    this.#grow(length);
    const [words, other] = this.#words;
    this.#words = [other, words];
    for (const { values, tensor } of parts) words.set(values, tensor.byteOffset / 4);
    const written = this.#device.write(this.#buffer, 0, words.subarray(0, length));
    const view = (index: number): Tensor => ({ ...parts[index]!.tensor, buffer: this.#buffer });
    const places = parts
      .slice(0, ofLayers)
      .map(({ tensor }) => `${tensor.byteOffset}:${tensor.shape.join()}`);
    const inputs = {
      layout: `${this.#generation} ${cut.block} ${places.join(' ')}`,
      tokens: view(tokens),
      positions: view(positions),
      sequences: view(sequences),
      pageTable: view(pageTable),
      attention: { work: view(work), splits: view(splits), block: cut.block },
      routes: {
        routeOfToken: view(routeOfToken),
        slots: view(slots),
        segments: view(segments),
        priors: view(priors),
        topK: view(topK),
      },
      logitRows: logitRows.map(view),
      draws: draws.map(({ after, settings, limits, seen }) => ({
        after: view(after),
        settings: view(settings),
        limits: view(limits),
        seen: view(seen),
      })),
    };
    return { inputs, written };
  }

  #grow(words: number): void {
    if (words <= this.#words[0].length) return;
    this.#device.free(this.#buffer);
    this.#words = [new Uint32Array(2 * words), new Uint32Array(2 * words)];
    this.#buffer = this.#device.allocate(8 * words, 'step.inputs');
    this.#generation++;
  }
}
