/** `sparsedoctor serve`: a GPU host. Joins an edge where one is named, else serves its own shards alone. */
import { Option, type Command } from 'commander';
import { createHost } from '../../backend/host.ts';
import { CallerError } from '../../base/errors.ts';
import { halfFormats, readSettings, weightFormats, type SettingName, type Settings } from '../config.ts';
import type { ServiceContext } from '../context.ts';
import { deviceOption, deviceOptionOrReport } from '../device-option.ts';
import { reportDevice } from '../device-report.ts';
import { EXIT_START_AGAIN } from '../exit-codes.ts';
import { createLogger } from '../logger.ts';
import { openModel, type OpenModel } from '../open-model.ts';
import { listShardFiles, newestOfEach } from '../shard-files.ts';

export function registerServeCommand(program: Command, context: ServiceContext): void {
  const command = program.command('serve').description('run a host: the engine behind the OpenAI API');
  withModelOptions(command, deviceOptionOrReport())
    .option('--port <n>', 'port (default 8788; 0 takes a free one)')
    .option('--listen <address>', 'address to listen on (default 127.0.0.1; others need a secret)')
    .option('--edge <url>', 'edge to join; its shards are fetched from there, and local ones are not loaded')
    .option('--public-url <url>', 'where the edge reaches this host, if not where it listens')
    .option('--name <name>', 'name of this host in traces (default local)')
    .option('--secret <secret>', 'secret shared with the edge; better in SPARSEDOCTOR_HOST_SECRET')
    .option('--drain-ms <n>', 'how long it waits for running answers when it ends (default 30000)')
    .addOption(logLevelOption())
    .action(async ({ device, ...flags }: ServeFlags) => {
      const { port, edge, name, secret, ...rest } = flags;
      const own = { hostPort: port, edgeUrl: edge, hostName: name, hostSecret: secret };
      const asksOnly = device === true;
      const named = asksOnly ? {} : { device };
      const settings = await readSettings({ ...rest, ...own, ...named }, context.environment);
      if (!asksOnly) await serve(settings, context);
      else for (const line of await reportDevice(settings)) context.print(line);
    });
}

type ServeFlags = Readonly<Partial<Record<Exclude<SettingName, 'device'> | ServeName, string>>> & {
  /** True where the flag has no name. */
  readonly device?: string | true;
};
type ServeName = 'port' | 'edge' | 'name' | 'secret';

/** Flags of every command that opens a model. */
export function withModelOptions(command: Command, device = deviceOption()): Command {
  return withFormatOptions(command)
    .option('--model <directory>', 'Hugging Face checkpoint (default: the base that ships)')
    .option('--shards <directory>', 'folder of <specialty>/<version>.safetensors (default: those that ship)')
    .option('--threads <n>', 'compute threads (default: all cores)')
    .addOption(device)
    .option('--max-concurrent <n>', 'requests that run at one time (default 16)')
    .option('--cache-pages <n>', 'pages of the KV cache, 16 tokens each (default 1024)')
    .option('--expert-slots <n>', 'experts that fit into the pool (default 128)')
    .option('--expert-rank <n>', 'largest rank of an expert (default 16)');
}

/** Flags of every command that loads weights to answer with. */
export function withFormatOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--weights <format>', "the base's matrices (default f32)").choices([...weightFormats]),
    )
    .addOption(
      new Option('--experts <format>', 'experts, f16 on a GPU (default f32)').choices([...halfFormats]),
    )
    .addOption(
      new Option('--cache <format>', 'KV cache, f16 on a GPU (default f32)').choices([...halfFormats]),
    );
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'what is logged to standard error').choices([
    'debug',
    'info',
    'warn',
    'error',
    'silent',
  ]);
}

async function serve(settings: Settings, context: ServiceContext): Promise<void> {
  const { edgeUrl, hostSecret, hostName, publicUrl } = settings;
  if (edgeUrl !== undefined && hostSecret === undefined) {
    const message =
      'A host that joins an edge needs the secret that both share: set SPARSEDOCTOR_HOST_SECRET.';
    throw new CallerError('secret_missing', message);
  }
  const stop = context.untilStopped();
  const logger = createLogger(settings.logLevel, 'host');
  const local = edgeUrl === undefined ? newestOfEach(await listShardFiles(settings.shards)) : [];
  const model = await openModel(settings, local, logger);
  const host = createHost({
    ...model,
    logger,
    modelName: 'sparsedoctor',
    drainMs: settings.drainMs,
    ...(hostSecret === undefined ? {} : { secret: hostSecret }),
  });
  try {
    const { url, port } = await host.listen(settings.hostPort, settings.listen);
    for (const line of describe(model, url)) context.print(line);
    if (edgeUrl !== undefined && hostSecret !== undefined) {
      host.join({
        edgeUrl,
        secret: hostSecret,
        name: hostName,
        baseFingerprint: model.fingerprint,
        ...(publicUrl === undefined ? {} : { publicUrl }),
      });
    }
    context.report({ ready: true, url, port });
    const stopped = new Promise<null>((resolve) => {
      if (stop.aborted) resolve(null);
      stop.addEventListener('abort', () => resolve(null), { once: true });
    });
    const failure = await Promise.race([stopped, model.engine.failed]);
    if (failure !== null) {
      const { code, message: detail } = failure;
      logger.error({ code, detail }, 'the host cannot compute any more and ends: start it again');
      context.setExitCode(EXIT_START_AGAIN);
      await host.close(FAREWELL_MS);
    }
  } finally {
    await host.close();
    await model.close();
  }
}

/** For clients to read that their requests failed. */
const FAREWELL_MS = 2000;

function describe({ device, config, formats, fingerprint, shards }: OpenModel, url: string): string[] {
  const { layers, hiddenSize, vocabularySize, maxPositions } = config;
  const held = shards.resident().map(({ specialty, version }) => `${specialty} ${version}`);
  const megabytes = Math.ceil(device.memory().allocatedBytes / 2 ** 20);
  return [
    `device  ${device.description}`,
    `model   ${layers} layers × ${hiddenSize}, ${vocabularySize} tokens, context ${maxPositions}, fingerprint ${fingerprint.slice(0, 12)}`,
    `formats weights ${formats.weights}, experts ${formats.experts}, cache ${formats.cache}`,
    `shards  ${held.length === 0 ? 'none yet' : held.join(', ')}`,
    `memory  ${megabytes} MB`,
    `listens ${url}`,
  ];
}
