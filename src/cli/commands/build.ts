/** `sparsedoctor build`: kernels, page and edge, where they are older than their sources. */
import type { Command } from 'commander';
import { build } from '../build.ts';
import type { CliContext } from '../context.ts';

export function registerBuildCommand(program: Command, context: CliContext): void {
  program
    .command('build')
    .description('build kernels, page and edge, where they are older than their sources')
    .option('--force', 'build what is up to date, too')
    .action(async ({ force = false }: { force?: boolean }) => {
      await build({ force, onBuilt: (text) => context.print(text) });
    });
}
