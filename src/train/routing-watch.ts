/** Looks at the routing every so often in a run, into its metrics, and keeps the last look for a map. */
import type { Device } from '../tensor/device.ts';
import type { TrainingNetwork } from './network/network.ts';
import { RoutingLook } from './routing-look.ts';
import type { LayerOutputs } from './routing-look.ts';
import type { RunFolder } from './run-files.ts';
import type { Batch } from './trainer.ts';
import type { TuneRunConfig } from './tune-config.ts';
import { writeWhole } from './write-whole.ts';

export class RoutingWatch {
  readonly #look: RoutingLook;
  readonly #folder: RunFolder;
  readonly #every: number;
  readonly #lastStep: number;
  #outputs: LayerOutputs[] = [];

  constructor(config: TuneRunConfig, device: Device, network: TrainingNetwork, folder: RunFolder) {
    this.#look = new RoutingLook(device, network, config.specialties);
    this.#folder = folder;
    this.#every = config.routingEvery;
    this.#lastStep = config.optimiser.steps;
  }

  /** Call with the network as the step has left it. A look takes the steps up to a multiple, or to the last step. */
  async afterStep(step: number, batch: () => Batch): Promise<void> {
    const end = Math.min(Math.ceil(step / this.#every) * this.#every, this.#lastStep);
    if (end - step >= this.#look.steps) return;
    await this.#look.add(batch());
    if (step !== end) return;
    const { routing, outputs } = this.#look.finish();
    this.#outputs = outputs;
    await this.#folder.metric({ step, routing });
  }

  /** Where the experts' embeddings lay at the last look. */
  async writeOutputs(path: string): Promise<void> {
    await writeWhole(path, `${JSON.stringify(this.#outputs, shorten)}\n`);
  }
}

function shorten(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value;
}
