/** The `sparsedoctor` command. */
import { Command } from 'commander';
import { CallerError } from '../base/errors.ts';
import { registerShardCommand } from './commands/shard.ts';
import { registerTrainCommand } from './commands/train.ts';

const program = new Command('sparsedoctor')
  .description('A chat doctor served from the edge: sparse LoRA experts on GPU or CPU hosts.')
  .showHelpAfterError();
registerShardCommand(program, {
  environment: process.env,
  print: (line) => process.stdout.write(`${line}\n`),
});
registerTrainCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CallerError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
