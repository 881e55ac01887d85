/** `sparsedoctor start`: host and edge on this machine with the weights that ship. What `npm start` runs. */
import type { Command } from 'commander';
import { build } from '../build.ts';
import { readSettings } from '../config.ts';
import type { ServiceContext } from '../context.ts';
import { startStack, type Stack } from '../stack.ts';
import { logLevelOption, withModelOptions } from './serve.ts';

export function registerStartCommand(program: Command, context: ServiceContext): void {
  withModelOptions(
    program.command('start').description('run host and edge on this machine, for this machine only'),
  )
    .option('--port <n>', 'port of the edge (default 8787)')
    .option('--host-port <n>', 'port of the host (default 8788)')
    .option('--state <directory>', 'what the edge remembers (default .wrangler/sparsedoctor)')
    .addOption(logLevelOption())
    .action(async (flags: Record<string, string | undefined>) => {
      const { port, ...rest } = flags;
      const settings = await readSettings({ ...rest, edgePort: port }, context.environment);
      const begun = performance.now();
      const stop = context.untilStopped();
      const onProgress = (text: string): void => {
        const seconds = ((performance.now() - begun) / 1000).toFixed(1);
        context.print(`${seconds.padStart(6)} s  ${text}`);
      };
      await build({ onBuilt: onProgress });
      const stack = await startStack({ settings, environment: context.environment, onProgress });
      for (const line of welcome(stack)) context.print(line);
      context.report({ ready: true, url: stack.edgeUrl });
      const ended = new Promise<null>((resolve) => {
        if (stop.aborted) resolve(null);
        stop.addEventListener('abort', () => resolve(null), { once: true });
      });
      const broken = await Promise.race([stack.broken, ended]);
      context.print(broken ?? 'Ending; running answers have a moment. Ctrl-C again ends at once.');
      if (broken !== null) context.setExitCode(1);
      await stack.close();
    });
}

function welcome(stack: Stack): string[] {
  const { edgeUrl, apiKey, adminKey, files, published } = stack;
  const question = JSON.stringify({
    model: 'sparsedoctor',
    stream: true,
    messages: [{ role: 'user', content: '最近总是胸闷、心慌，需要做什么检查？' }],
  });
  return [
    '',
    `SparseDoctor is ready: ${edgeUrl}/#key=${apiKey}`,
    'A small research model: it does not give medical advice.',
    '',
    `API key    ${apiKey}`,
    `Admin key  ${adminKey}`,
    `Logs       ${stack.logs}`,
    '',
    'Ask:',
    `  curl -N ${edgeUrl}/v1/chat/completions -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' -d '${question}'`,
    ...swapLines(stack),
    ...published.conflicts.map(
      ({ specialty, version }) =>
        `Note: the registry holds other bytes as ${specialty} ${version} and keeps them; delete ${stack.logs}/.. to begin anew.`,
    ),
    ...(files.length === 0 ? ['There are no shards yet: every answer is the base model’s.'] : []),
    '',
    'Ctrl-C ends host and edge.',
    '',
  ];
}

/** Names a specialty of which there is another version to swap in. */
function swapLines({ files, edgeUrl, adminKey }: Stack): string[] {
  const other = files.find((file, index) => files[index - 1]?.specialty === file.specialty);
  if (other === undefined) return [];
  return [
    '',
    `Swap ${other.specialty} to ${other.version}, while requests run:`,
    `  curl ${edgeUrl}/v1/shards/${other.specialty}/activate -H 'authorization: Bearer ${adminKey}' -H 'content-type: application/json' -d '{"version":"${other.version}"}'`,
  ];
}
