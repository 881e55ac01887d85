/** A look at the routing of a few steps: what their gates chose, read back layer by layer and measured. */
import { createRandom } from '../base/random.ts';
import { NONE } from '../tensor/device.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { elements, readTensor } from '../tensor/tensors.ts';
import type { ExpertActivations } from './network/activations.ts';
import type { TrainingNetwork } from './network/network.ts';
import {
  entropy,
  mutualInformation,
  normalised,
  shares,
  silhouette,
  withinVariance,
} from './routing-metrics.ts';
import type { Batch } from './trainer.ts';

export interface LayerRouting {
  readonly layer: number;
  /** Where the gate is not that of the FFN. */
  readonly part?: 'attention';
  /** Mean entropy of a token's gate over its route, nats. */
  readonly entropy: number;
  /** Of chosen expert and specialty, nats. */
  readonly mutualInformation: number;
  /** Null where a sample says nothing: fewer than two experts. */
  readonly silhouette: number | null;
  readonly withinVariance: number | null;
  /** Share of the choices that each expert slot had. */
  readonly load: readonly number[];
  readonly loadBySpecialty: Readonly<Record<string, readonly number[]>>;
}

export interface OutputPoint {
  readonly z: readonly number[];
  readonly expert: number;
  readonly specialty: string;
}

export interface LayerOutputs {
  readonly layer: number;
  readonly part?: 'attention';
  readonly points: readonly OutputPoint[];
}

/** Silhouettes compare all with all. */
const SILHOUETTE_POINTS = 400;
/** Points of a layer for a map. */
const OUTPUT_POINTS = 600;

interface MixtureTally {
  /** Choices by specialty and slot. */
  readonly counts: number[][];
  readonly entropy: { total: number; tokens: number };
  readonly points: OutputPoint[];
}

/** Adds up what the steps of a look choose: as many as it takes to have rows of every specialty. */
export class RoutingLook {
  readonly #device: Device;
  readonly #network: TrainingNetwork;
  readonly #names: readonly string[];
  /** Steps of one look. */
  readonly steps: number;
  #mixtures: MixtureTally[];

  constructor(device: Device, network: TrainingNetwork, names: readonly string[]) {
    this.#device = device;
    this.#network = network;
    this.#names = names;
    this.steps = Math.ceil(names.length / network.options.batch.B);
    this.#mixtures = this.#empty();
  }

  /** Takes in the training batch that the network has just seen; only tokens with a target count. */
  async add(batch: Batch): Promise<void> {
    const each = Math.ceil(OUTPUT_POINTS / this.steps);
    for (const [index, { counts, entropy: sum, points }] of this.#mixtures.entries()) {
      const experts = this.#network.mixtures[index]!;
      await this.#count(batch, experts, counts);
      const mean = await this.#entropy(batch, experts);
      sum.total += mean.total;
      sum.tokens += mean.tokens;
      const found = this.#hasEmbeddings
        ? await anchorPoints(this.#device, this.#network, batch, index)
        : await hiddenPoints(this.#device, experts, batch, each);
      for (const { z, expert, token } of sample(found, each)) {
        points.push({ z, expert, specialty: this.#names[specialtyOf(this.#network, batch, token)]! });
      }
    }
  }

  /** The look as metrics and as points for a map; the next one begins empty. */
  finish(): { routing: LayerRouting[]; outputs: LayerOutputs[] } {
    const routing = this.#mixtures.map((tally, index) => this.#measure(tally, index));
    const outputs = this.#mixtures.map(({ points }, index) => ({
      ...this.#place(index),
      points: sample(points, OUTPUT_POINTS),
    }));
    this.#mixtures = this.#empty();
    return { routing, outputs };
  }

  #place(index: number): Pick<LayerRouting, 'layer' | 'part'> {
    const { layer, part } = this.#network.mixtures[index]!.mixture;
    return part === 'attention' ? { layer, part } : { layer };
  }

  #measure({ counts, entropy: { total, tokens }, points }: MixtureTally, index: number): LayerRouting {
    const load = counts[0]!.map((_, slot) => counts.reduce((all, row) => all + row[slot]!, 0));
    const some = sample(points, SILHOUETTE_POINTS);
    const byName = this.#names.map((name, index): [string, number[]] => [name, shares(counts[index]!)]);
    return {
      ...this.#place(index),
      entropy: total / Math.max(1, tokens),
      mutualInformation: mutualInformation(counts),
      silhouette: silhouette(some),
      withinVariance: withinVariance(some),
      load: shares(load),
      loadBySpecialty: Object.fromEntries(byName),
    };
  }

  /**
   * Points are the embeddings ẑ of the contrastive loss where a run has one of experts; else the experts' hidden states
   * A x of all linears side by side, at length 1, so that runs with and without it can be compared.
   */
  get #hasEmbeddings(): boolean {
    const contrast = this.#network.routing?.contrast;
    return contrast ? contrast.options.variant !== 'routing' : false;
  }

  #empty(): MixtureTally[] {
    const { slots } = this.#network.options.experts!;
    return this.#network.mixtures.map(() => ({
      counts: this.#names.map(() => Array.from({ length: slots }, () => 0)),
      entropy: { total: 0, tokens: 0 },
      points: [],
    }));
  }

  async #count(batch: Batch, { gate }: ExpertActivations, counts: number[][]): Promise<void> {
    const { topK: K } = this.#network.options.experts!;
    const slots = await readWords(this.#device, gate.slots);
    for (const [place, slot] of slots.entries()) {
      const token = Math.floor(place / K);
      if (slot === NONE || batch.targets[token] === NONE) continue;
      counts[specialtyOf(this.#network, batch, token)]![slot]! += 1;
    }
  }

  async #entropy(batch: Batch, { gate }: ExpertActivations): Promise<{ total: number; tokens: number }> {
    const { maxExperts } = this.#network.options.experts!;
    const logits = await readTensor(this.#device, gate.logits);
    return gateEntropy(logits, batch, maxExperts);
  }
}

/** Σ over tokens of the entropy of softmax(a), a as in `kernels/expert_gate`: of the whole route, priors included. */
function gateEntropy(
  logits: Float32Array,
  { targets, routes }: Batch,
  maxExperts: number,
): { total: number; tokens: number } {
  let [total, tokens] = [0, 0];
  for (const [token, target] of targets.entries()) {
    const list = routes!.routeOfToken[token]! * maxExperts;
    const entries = [...routes!.slots.subarray(list, list + maxExperts)].filter((slot) => slot !== NONE);
    if (target === NONE || entries.length === 0) continue;
    const row = entries.map((_, e) => logits[token * maxExperts + e]!);
    const segment = (e: number): number => routes!.segments[list + e]!;
    const scores = row.map((logit, e) => {
      const same = row.filter((_, other) => segment(other) === segment(e));
      return logit - logSumExp(same) + routes!.priors[list + e]!;
    });
    const whole = logSumExp(scores);
    total += entropy(scores.map((score) => Math.exp(score - whole)));
    tokens++;
  }
  return { total, tokens };
}

interface TokenPoint {
  readonly z: readonly number[];
  readonly expert: number;
  readonly token: number;
}

async function anchorPoints(
  device: Device,
  network: TrainingNetwork,
  batch: Batch,
  mixture: number,
): Promise<TokenPoint[]> {
  const { embedding, owner } = network.routing!.contrast!.mixtures[mixture]!;
  const d = embedding.shape[1]!;
  const values = await readTensor(device, embedding);
  const { topK: K } = network.options.experts!;
  const owners = await readWords(device, owner);
  return [...owners].flatMap((expert, m) =>
    expert === NONE
      ? []
      : [{ z: [...values.subarray(m * d, (m + 1) * d)], expert, token: batch.anchors![Math.floor(m / K)]! }],
  );
}

async function hiddenPoints(
  device: Device,
  { gate, hidden }: ExpertActivations,
  { targets }: Batch,
  most: number,
): Promise<TokenPoint[]> {
  const K = gate.slots.shape[1]!;
  const slots = await readWords(device, gate.slots);
  const parts: Float32Array[] = [];
  for (const tensor of hidden.values()) parts.push(await readTensor(device, tensor));
  const places = [...slots.keys()].filter(
    (place) => slots[place] !== NONE && targets[Math.floor(place / K)] !== NONE,
  );
  const R = [...hidden.values()][0]!.shape[2]!;
  return sample(places, most).map((place) => ({
    z: normalised(parts.flatMap((part) => [...part.subarray(place * R, (place + 1) * R)])),
    expert: slots[place]!,
    token: Math.floor(place / K),
  }));
}

/** The same for the same list: what is drawn must not depend on what was drawn before. */
function sample<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return createRandom(items.length)
    .shuffle([...items])
    .slice(0, most);
}

function specialtyOf(network: TrainingNetwork, { specialties }: Batch, token: number): number {
  return specialties![Math.floor(token / network.options.batch.T)]!;
}

async function readWords(device: Device, { buffer, byteOffset, shape }: Tensor): Promise<Uint32Array> {
  return new Uint32Array(await device.read(buffer, byteOffset, elements(shape) * 4));
}

function logSumExp(values: readonly number[]): number {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((total, value) => total + Math.exp(value - most), 0));
}
