/** `sparsedoctor train router`: the edge's router from its config, measured against the baseline. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { trainRouter } from '../../train/router/train-router.ts';
import { createLogger } from '../logger.ts';

interface RouterOptions {
  readonly data: string;
  readonly general: string;
  readonly out: string;
  readonly report: string;
  readonly leaveSourcesOut: boolean;
}

export function registerTrainRouterCommand(train: Command): void {
  train
    .command('router')
    .description('train the neural router of the edge and measure it')
    .argument('[config]', 'JSON file of the run', 'weights/router/config.json')
    .requiredOption('--data <directory>', 'folder with router/ and sft/')
    .option('--general <file>', 'prompts of no specialty', 'src/train/router/general-prompts.json')
    .option('--out <directory>', 'where the model and its manifest go', 'weights/router')
    .option('--report <file>', 'where the measurements go', 'docs/results/router.json')
    .option('--leave-sources-out', 'also train without each source in turn: some minutes more', false)
    .action(async (config: string, options: RouterOptions) => {
      const paths = {
        config: resolve(config),
        data: resolve(options.data),
        generalPrompts: resolve(options.general),
        output: resolve(options.out),
        report: resolve(options.report),
        leaveSourcesOut: options.leaveSourcesOut,
      };
      await trainRouter(paths, createLogger('info', 'train'));
    });
}
