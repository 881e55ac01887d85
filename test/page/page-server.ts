/**
 * A real HTTP server in the edge's place: builds the page, serves it with its own `_headers`, and answers the API
 * from a script that each test sets. It offers a tiny model to run in the browser, and its shards. What it reads and the traces it sends go through the protocol's schemas, so that neither can drift.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { buildPage, shippedModel } from '../../src/page/build-page.ts';
import { text } from 'node:stream/consumers';
import { parseChatRequest, type ChatRequest } from '../../src/protocol/chat.ts';
import type { ErrorBody } from '../../src/protocol/errors.ts';
import { modelList } from '../../src/protocol/models.ts';
import { parseJson } from '../../src/protocol/parse.ts';
import { shardListSchema, type ShardList } from '../../src/protocol/shards.ts';
import { doneEvent, encodeComment, encodeEvent, eventStreamHeaders } from '../../src/protocol/sse.ts';
import { routingTraceSchema, traceHeaders, type RoutingTrace } from '../../src/protocol/trace.ts';
import { writeTestWeights, type TestWeights } from '../support/weights.ts';

const font = join(import.meta.dirname, '..', '..', 'node_modules', '@fontsource-variable', 'noto-sans-sc');

export const apiKey = 'sk-page-test';

export const trace: RoutingTrace = routingTraceSchema.parse({
  specialties: [
    { specialty: 'cardiovascular', probability: 0.8123 },
    { specialty: 'endocrine_renal_blood', probability: 0.3391 },
    { specialty: 'neurology', probability: 0.0712 },
    { specialty: 'tcm', probability: 0.0218 },
    { specialty: 'digestive', probability: 0.004 },
  ],
  shards: [
    { name: 'cardiovascular', version: '2025.1', prior: 0.75 },
    { name: 'endocrine_renal_blood', version: '2025.1', prior: 0.25 },
  ],
  host: 'host-1',
  queue_ms: 12,
  router: 'onnx',
});

export const answerText =
  '您好，高血压患者饮食上主要注意以下几点：\n1. 少盐，每天不超过 5 克，少吃咸菜、腊肉和酱料。\n2. 多吃新鲜蔬菜和水果，适量吃鱼、豆制品和低脂奶。\n3. 少喝酒，不吸烟，控制体重，每周运动 5 次，每次 30 分钟左右。\n如果血压持续高于 140/90，建议到心血管内科就诊，在医生指导下用药。';

/** What one chat request meets: the body it sent, and the means to answer it. */
export interface Exchange {
  readonly body: ChatRequest;
  readonly left: Promise<void>;
  readonly refuse: (
    status: number,
    error: Partial<ErrorBody['error']>,
    headers?: Record<string, string>,
  ) => void;
  /** Headers of a stream; a trace without host stands for a question that still waits. */
  readonly begin: (known?: Partial<RoutingTrace>) => void;
  readonly comment: (text: string) => void;
  readonly text: (text: string) => void;
  readonly raw: (event: unknown) => void;
  readonly end: (options?: { readonly trace?: RoutingTrace; readonly finish?: 'stop' | 'length' }) => void;
  /** The answer ends as if it were complete, without saying so. */
  readonly close: () => void;
  /** The connection dies. */
  readonly cut: () => void;
}

export type Answer = (exchange: Exchange) => void | Promise<void>;

export class PageServer {
  readonly url: string;
  answer: Answer;
  /** Chat bodies in order of arrival. */
  readonly asked: ChatRequest[] = [];
  /** Paths of all requests in order of arrival. */
  readonly requested: string[] = [];
  /** False: files come without the headers that isolate the page. */
  isolates = true;
  /** Called before a path is answered; true if it has answered itself. */
  intercept: ((path: string, response: ServerResponse) => boolean) | null = null;
  readonly weights: TestWeights;
  readonly #server: Server;
  readonly #root: string;

  private constructor(server: Server, root: string, weights: TestWeights) {
    this.#server = server;
    this.#root = root;
    this.weights = weights;
    this.answer = answerWhole;
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('the server does not listen');
    this.url = `http://127.0.0.1:${address.port}`;
  }

  static async start(): Promise<PageServer> {
    const root = await mkdtemp(join(tmpdir(), 'sparsedoctor-page-'));
    const weights = await writeTestWeights(join(root, 'weights'));
    await buildPage(join(root, 'page'), { ...shippedModel, base: weights.model });
    const server = createServer((request, response) => void self.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const self = new PageServer(server, root, weights);
    return self;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#root, { recursive: true, force: true });
  }

  /** The first version of each specialty is active. */
  async #shardList(): Promise<ShardList> {
    const specialties = await readdir(this.weights.shards);
    const data = specialties.map(async (specialty) => {
      const bytes = await this.#shardBytes(specialty, 'v1');
      const version = {
        version: 'v1',
        state: 'active',
        sha256: createHash('sha256').update(bytes).digest('hex'),
        bytes: bytes.length,
        base_fingerprint: this.weights.base.fingerprint,
        published_at: 1_760_000_000,
        hosts: 1,
      };
      return { specialty, active: 'v1', versions: [version] };
    });
    return shardListSchema.parse({ object: 'list', data: await Promise.all(data) });
  }

  #shardBytes(specialty: string, version: string): Promise<Buffer> {
    return readFile(join(this.weights.shards, specialty, `${version}.safetensors`));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.url).pathname;
    this.requested.push(path);
    if (this.intercept?.(path, response)) return;
    if (!path.startsWith('/v1/')) return serveFile(join(this.#root, 'page'), path, response, this.isolates);
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      return sendError(response, 401, {
        code: 'invalid_api_key',
        message: 'The API key is missing or wrong.',
      });
    }
    if (path === '/v1/models') {
      const pinned = ['cardiovascular', 'pediatrics', 'tcm'].map((name) => `sparsedoctor:${name}`);
      return sendJson(response, 200, modelList(['sparsedoctor', 'base', ...pinned], 1_760_000_000));
    }
    if (path === '/v1/shards') return sendJson(response, 200, await this.#shardList());
    const shard = /^\/v1\/shards\/(\w+)\/versions\/(\w+)$/.exec(path);
    if (shard) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      return void response.end(await this.#shardBytes(shard[1]!, shard[2]!));
    }
    const body = parseChatRequest(parseJson(await text(request), 'body'));
    this.asked.push(body);
    await this.answer(exchangeOf(body, response));
  }
}

/** All at once, as fast as the page reads. */
export function answerWhole(exchange: Exchange): void {
  exchange.begin(trace);
  for (const piece of answerText.match(/.{1,3}/gsu) ?? []) exchange.text(piece);
  exchange.end();
}

function exchangeOf(body: ChatRequest, response: ServerResponse): Exchange {
  const chunk = (choices: unknown[], more: object = {}): string =>
    encodeEvent({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1_760_000_000,
      model: body.model,
      choices,
      ...more,
    });
  let tokens = 0;
  return {
    body,
    left: new Promise((resolve) => response.once('close', resolve)),
    refuse: (status, error, headers) => sendError(response, status, error, headers),
    begin: (known = trace) => {
      response.writeHead(200, { ...eventStreamHeaders, ...traceHeaders(known), 'x-request-id': 'req-42' });
      response.flushHeaders();
      response.write(chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]));
    },
    comment: (text) => response.write(encodeComment(text)),
    text: (text) => {
      tokens += 1;
      response.write(chunk([{ index: 0, delta: { content: text }, finish_reason: null }]));
    },
    raw: (event) => response.write(encodeEvent(event)),
    end: (options = {}) => {
      response.write(chunk([{ index: 0, delta: {}, finish_reason: options.finish ?? 'stop' }]));
      const usage = { prompt_tokens: 14, completion_tokens: tokens, total_tokens: 14 + tokens };
      response.write(chunk([], { usage, sparsedoctor: routingTraceSchema.parse(options.trace ?? trace) }));
      response.end(doneEvent);
    },
    close: () => response.end(),
    cut: () => response.destroy(),
  };
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

function serveFile(root: string, path: string, response: ServerResponse, isolates: boolean): void {
  // Not part of the page: a Chinese font for screenshots, since the browser of the tests has none.
  const [folder, name] = path.startsWith('/test-font/')
    ? [font, path.slice('/test-font/'.length)]
    : [root, path];
  const file = join(folder, normalize(name === '/' ? '/index.html' : `/${name}`));
  if (!existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    ...(folder === root && pageHeaders(root, isolates)),
  });
  response.end(readFileSync(file));
}

/** The rules of the `_headers` file for every path; Cloudflare's own reading of it is tested with the edge. */
function pageHeaders(root: string, isolates: boolean): Record<string, string> {
  const [, everyPath = ''] = readFileSync(join(root, '_headers'), 'utf8').split(/^\S.*$/m);
  const entries = Array.from(everyPath.matchAll(/^ +([\w-]+): (.*)$/gm), ([, name = '', value = '']) => [
    name,
    value,
  ]);
  return Object.fromEntries(
    entries.filter(([name]) => isolates || !/^Cross-Origin-(Opener|Embedder)/.test(name ?? '')),
  );
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-42', ...headers });
  response.end(JSON.stringify(body));
}

function sendError(
  response: ServerResponse,
  status: number,
  error: Partial<ErrorBody['error']>,
  headers: Record<string, string> = {},
): void {
  const body: ErrorBody = { error: { message: '', type: 'test', param: null, code: 'test', ...error } };
  sendJson(response, status, body, headers);
}
