/** `sparsedoctor start` and `serve` as processes: what they print, how they end, and what they leave behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/cli/config.ts';
import { writeTestWeights, type TestWeights } from '../support/weights.ts';

let folder: string;
let weights: TestWeights;
const started: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-start-'));
  weights = await writeTestWeights(folder);
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function run([command = '', ...args]: string[], environment: Record<string, string> = {}): Run {
  const files = [
    '--model',
    weights.model,
    '--shards',
    weights.shards,
    '--threads',
    '1',
    '--cache-pages',
    '64',
  ];
  const child = spawn(
    process.execPath,
    [join(projectRoot, 'src', 'cli', 'main.ts'), command, ...files, ...args],
    {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  started.push(child);
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, ended, output: () => output };
}

const startArgs = (): string[] => [
  'start',
  '--port',
  '0',
  '--host-port',
  '0',
  '--state',
  join(folder, 'state'),
];

/** Whether anything listens there. */
async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    () => true,
    () => false,
  );
}

async function untilReady(start: Run): Promise<{ edge: string; key: string; log: string }> {
  await expect.poll(start.output, { timeout: 120_000 }).toContain('Ctrl-C ends host and edge.');
  const [, edge = '', key = ''] = /ready: (http:\S+?)\/#key=(\S+)/.exec(start.output()) ?? [];
  const [, log = ''] = /^Logs +(\S+)$/m.exec(start.output()) ?? [];
  return { edge, key, log };
}

describe('start', () => {
  test('prints what a newcomer needs, and Ctrl-C ends host and edge without a trace', async () => {
    const start = run(startArgs(), { SPARSEDOCTOR_ADMIN_KEY: 'the-admin-key' });
    const { edge, key } = await untilReady(start);
    expect(start.output()).toContain(`curl -N ${edge}/v1/chat/completions`);
    expect(start.output()).toContain(`curl ${edge}/v1/shards/cardiovascular/activate`);
    expect(start.output()).toContain('the-admin-key');
    const models = await fetch(`${edge}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(JSON.stringify(await models.json())).toContain('sparsedoctor:pediatrics');
    start.child.kill('SIGINT');
    expect(await start.ended).toBe(0);
    expect(await answers(edge)).toBe(false);
  }, 180_000);

  test('ends with a message and code 1 when the host dies, and takes the edge along', async () => {
    const start = run(startArgs());
    const { edge, log } = await untilReady(start);
    const [, pid] = /"pid":(\d+)/.exec(await readFile(join(log, 'host.log'), 'utf8')) ?? [];
    process.kill(Number(pid), 'SIGKILL');
    expect(await start.ended).toBe(1);
    expect(start.output()).toContain('The host ended (SIGKILL)');
    expect(await answers(edge)).toBe(false);
  }, 180_000);

  test('that is killed itself leaves no process behind', async () => {
    const start = run(startArgs());
    const { edge } = await untilReady(start);
    start.child.kill('SIGKILL');
    await expect.poll(() => answers(edge), { timeout: 30_000 }).toBe(false);
  }, 180_000);
});

describe('a start that cannot be', () => {
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  });
  afterAll(() => server.close());

  test.each([
    ['a busy port', () => ['start', '--port', String(port)], /Port \d+ of the edge is in use.*--port/],
    ['a model that is not there', () => ['start', '--port', '0', '--model', 'nowhere'], /config\.json/],
    ['a wrong setting', () => ['start', '--port', 'abc'], /--port/],
    ['an edge without a secret', () => ['serve', '--edge', 'http://127.0.0.1:1'], /SPARSEDOCTOR_HOST_SECRET/],
  ])('says what to do: %s', async (_title, args, message) => {
    const start = run(args());
    expect(await start.ended).toBe(1);
    expect(start.output()).toMatch(message);
    expect(start.output()).not.toMatch(/^\s+at /m);
  });
});

test('serve without an edge loads the newest shards, answers, and ends on SIGTERM', async () => {
  const serve = run(['serve', '--port', '0']);
  await expect.poll(serve.output, { timeout: 60_000 }).toMatch(/^listens http/m);
  expect(serve.output()).toMatch(/^shards +cardiovascular v2, digestive v1, pediatrics v1$/m);
  const [, url = ''] = /^listens (\S+)/m.exec(serve.output()) ?? [];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sparsedoctor:cardiovascular',
      max_tokens: 3,
      messages: [{ role: 'user', content: '心慌' }],
    }),
  });
  expect(response.status).toBe(200);
  serve.child.kill('SIGTERM');
  expect(await serve.ended).toBe(0);
});

describe('chat', () => {
  test('answers one question and says how fast', async () => {
    const chat = run(['chat', '心慌怎么办？', '--specialty', 'digestive', '--max-tokens', '5', '--stats']);
    expect(await chat.ended).toBe(0);
    expect(chat.output()).toMatch(/digestive v1/);
    expect(chat.output()).toMatch(/\d+ answer tokens, [\d.–]+ tokens\/s/);
  });

  test('names the specialties there are, when asked for another', async () => {
    const chat = run(['chat', '问', '--specialty', 'alchemy']);
    expect(await chat.ended).toBe(1);
    expect(chat.output()).toMatch(/no shard of "alchemy"\. There are: cardiovascular, digestive, pediatrics/);
  });
});
