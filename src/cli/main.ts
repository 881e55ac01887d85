/** The `sparsedoctor` command: the only place that touches the process. */
import { Command } from 'commander';
import { CallerError, InternalError } from '../base/errors.ts';
import { registerAblationCommand } from './commands/ablation.ts';
import { registerBenchCommand } from './commands/bench.ts';
import { registerBuildCommand } from './commands/build.ts';
import { registerChatCommand } from './commands/chat.ts';
import { registerDataCommand } from './commands/data.ts';
import { registerEdgeCommand } from './commands/edge.ts';
import { registerEvalCommand } from './commands/eval.ts';
import { registerReportCommand } from './commands/report.ts';
import { registerServeCommand } from './commands/serve.ts';
import { registerShardCommand } from './commands/shard.ts';
import { registerStartCommand } from './commands/start.ts';
import { registerTrainCommand } from './commands/train.ts';
import { registerWeightsCommand } from './commands/weights.ts';
import type { ServiceContext } from './context.ts';

const context: ServiceContext = {
  environment: process.env,
  input: process.stdin,
  output: process.stdout,
  isTerminal: process.stdin.isTTY && process.stdout.isTTY,
  print: (line) => process.stdout.write(`${line}\n`),
  write: (text) => process.stdout.write(text),
  report: (facts) => process.send?.(facts),
  setExitCode: (code) => (process.exitCode = code),
  untilStopped,
};

const SAME_PRESS_MS = 500;
const ORPHAN_CHECK_MS = 500;

const program = new Command('sparsedoctor')
  .description('A chat doctor served from the edge: sparse LoRA experts on GPU or CPU hosts.')
  .showHelpAfterError();
registerStartCommand(program, context);
registerServeCommand(program, context);
registerEdgeCommand(program, context);
registerChatCommand(program, context);
registerTrainCommand(program);
registerDataCommand(program, context);
registerReportCommand(program, context);
registerShardCommand(program, context);
registerBenchCommand(program, context);
registerBuildCommand(program, context);
registerEvalCommand(program, context);
registerAblationCommand(program, context);
registerWeightsCommand(program, context);

try {
  await program.parseAsync();
} catch (error) {
  const isTold = error instanceof CallerError || error instanceof InternalError;
  if (!isTold) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
// The channel to a starter would keep this process alive.
if (process.connected) process.disconnect();

function untilStopped(): AbortSignal {
  const controller = new AbortController();
  let first: number | undefined;
  const onSignal = (): void => {
    // npm passes a Ctrl-C on that has reached this process already: one press, two signals.
    if (first !== undefined && performance.now() - first > SAME_PRESS_MS) process.exit(130);
    first ??= performance.now();
    controller.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on('disconnect', () => controller.abort());
  // npm runs scripts by a shell that dies of a SIGTERM without passing it on; that shell is this process's parent.
  const starter = process.ppid;
  const watch = (): void => {
    if (process.ppid !== starter) controller.abort();
  };
  if (process.env['npm_lifecycle_event'] !== undefined) setInterval(watch, ORPHAN_CHECK_MS).unref();
  return controller.signal;
}
