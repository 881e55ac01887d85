/** `sparsedoctor eval …`: measures of a trained model on data that it has not seen. */
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { registerBitsCommand } from './eval-bits.ts';
import { registerExamCommands } from './eval-exams.ts';
import { registerFormatsCommand } from './eval-formats.ts';

export function registerEvalCommand(program: Command, context: CliContext): void {
  const evaluate = program.command('eval').description('measure a trained model on held-out data');
  registerBitsCommand(evaluate, context);
  registerFormatsCommand(evaluate, context);
  registerExamCommands(evaluate, context);
}
