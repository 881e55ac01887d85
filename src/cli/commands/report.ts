/** `sparsedoctor report`: what a training run has done, as one HTML file. */
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { writeReport } from '../report/write-report.ts';

export function registerReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('make an HTML report of a training run, also of one that is still going')
    .argument('<folder>', "the run's folder")
    .option('--out <file>', 'where the report goes; by default report.html in the folder')
    .action(async (folder: string, options: { out?: string }) => {
      context.print(`wrote ${await writeReport(folder, options.out)}`);
    });
}
