/** `sparsedoctor edge`: the edge alone, on this machine, for hosts that are started elsewhere. */
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { readSettings } from '../config.ts';
import type { ServiceContext } from '../context.ts';
import { startLocalEdge } from '../local-edge.ts';

export function registerEdgeCommand(program: Command, context: ServiceContext): void {
  program
    .command('edge')
    .description('run the edge alone on this machine (keys: SPARSEDOCTOR_API_KEY, _ADMIN_KEY, _HOST_SECRET)')
    .option('--port <n>', 'port (default 8787; 0 takes a free one)')
    .option('--state <directory>', 'what the edge remembers (default .wrangler/sparsedoctor)')
    .option('--variables <json>', 'further variables of the Worker, as a JSON object of strings')
    .action(async (flags: { port?: string; state?: string; variables?: string }) => {
      const settings = await readSettings({ edgePort: flags.port, state: flags.state }, context.environment);
      const { apiKey, adminKey, hostSecret } = settings;
      if (apiKey === undefined || adminKey === undefined || hostSecret === undefined) {
        const message = 'Set SPARSEDOCTOR_API_KEY, SPARSEDOCTOR_ADMIN_KEY and SPARSEDOCTOR_HOST_SECRET.';
        throw new CallerError('keys_missing', message);
      }
      const stop = context.untilStopped();
      const edge = await startLocalEdge({
        port: settings.edgePort,
        state: settings.state,
        variables: {
          ...parseVariables(flags.variables),
          API_KEY: apiKey,
          ADMIN_KEY: adminKey,
          HOST_SECRET: hostSecret,
        },
      });
      context.print(`listens ${edge.url}`);
      context.report({ ready: true, url: edge.url });
      if (!stop.aborted)
        await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      await edge.close();
    });
}

function parseVariables(text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]));
  }
  throw new CallerError('bad_settings', '--variables takes a JSON object of strings.');
}
