/** `sparsedoctor weights`: describes the weight files of a folder in its manifest, or checks them against it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseRunConfig } from '../../train/config.ts';
import { writeWhole } from '../../train/write-whole.ts';
import type { CliContext } from '../context.ts';
import { describeWeights, verifyWeights, weightsManifestSchema } from '../weights-manifest.ts';

export function registerWeightsCommand(program: Command, context: CliContext): void {
  const weights = program.command('weights').description('the manifest of shipped weight files');
  weights
    .command('describe')
    .argument('[folder]', 'folder of weights', 'weights')
    .description('write manifest.json for the weight files of a folder')
    .option('--licence <text>', 'licence of files that do not name one', 'Apache-2.0')
    .action(async (folder: string, options: { licence: string }) => {
      const manifest = await describeWeights(folder, options.licence);
      await writeWhole(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
      const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      context.print(`${manifest.files.length} files, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
    });
  weights
    .command('verify')
    .argument('[folder]', 'folder of weights', 'weights')
    .description('check the weight files of a folder against its manifest.json')
    .action(async (folder: string) => {
      const path = join(folder, 'manifest.json');
      const manifest = parseRunConfig(await readFile(path, 'utf8'), weightsManifestSchema, path);
      await verifyWeights(folder, manifest);
      context.print(`${manifest.files.length} files are as the manifest says`);
    });
}
