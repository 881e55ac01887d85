import { createServer, type IncomingMessage, type Server } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registerShardCommand } from '../../src/cli/commands/shard.ts';
import { readShardFile } from '../../src/model/shard-file.ts';
import { tinyModel, tinyShardBytes, type TinyModel } from '../support/tiny-model.ts';

let folder: string;
let model: TinyModel;
let shardPath: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-shard-'));
  model = await tinyModel();
  for (const [name, bytes] of Object.entries(model.fileBytes)) await writeFile(join(folder, name), bytes);
  shardPath = join(folder, 'heart.safetensors');
  await writeFile(shardPath, await tinyShardBytes(model));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The shard with its last tensor bytes overwritten. */
async function writeDamaged(): Promise<string> {
  const path = join(folder, 'damaged.safetensors');
  const bytes = await readFile(shardPath);
  await writeFile(path, bytes.fill(1, bytes.length - 9));
  return path;
}

async function run(args: string[], environment: Record<string, string> = {}): Promise<string[]> {
  const lines: string[] = [];
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerShardCommand(program, { environment, print: (line) => lines.push(line) });
  for (const command of program.commands.flatMap((each) => [each, ...each.commands])) {
    command.exitOverride().configureOutput({ writeErr: () => {} });
  }
  await program.parseAsync(['shard', ...args], { from: 'user' });
  return lines;
}

describe('shard pack', () => {
  test('renames, narrows and checks a shard against its base', async () => {
    const output = join(folder, 'packed.safetensors');
    await run([
      'pack',
      shardPath,
      '-o',
      output,
      '--base',
      folder,
      '--shard-version',
      '2',
      '--top-k',
      '3',
      '--type',
      'f16',
    ]);
    const packed = await readFile(output);
    const { metadata } = await readShardFile(packed, {
      config: model.config,
      baseFingerprint: model.fingerprint,
    });
    expect(metadata).toMatchObject({ specialty: 'cardiovascular', version: '2', topK: 3, alpha: 8 });
    expect(packed.length).toBeLessThan((await readFile(shardPath)).length * 0.6);
  });

  test.each([
    ['a version with a slash', ['--shard-version', '1/2'], 'commander.invalidArgument'],
    ['an unknown number type', ['--type', 'Q4'], 'commander.invalidArgument'],
    ['more experts per token than allowed', ['--top-k', '9'], 'shard_metadata'],
  ])('refuses %s and writes nothing', async (_title, flags, code) => {
    const output = join(folder, 'refused.safetensors');
    await expect(run(['pack', shardPath, '-o', output, ...flags])).rejects.toMatchObject({ code });
    await expect(readFile(output)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('shard inspect', () => {
  test('prints metadata, sizes and hash', async () => {
    const facts: unknown = JSON.parse((await run(['inspect', shardPath, '--json'])).join('\n'));
    expect(facts).toMatchObject({
      specialty: 'cardiovascular',
      baseFingerprint: model.fingerprint,
      experts: 4,
      layers: 3,
      types: ['F32'],
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect((await run(['inspect', shardPath])).join('\n')).toMatch(/^rank\s+4$/m);
  });

  test('refuses another base, a damaged file, and a file that is not there', async () => {
    const other = await mkdtemp(join(folder, 'other-'));
    const otherBase = await tinyModel({}, { seed: 9 });
    for (const [name, bytes] of Object.entries(otherBase.fileBytes))
      await writeFile(join(other, name), bytes);
    await expect(run(['inspect', shardPath, '--base', other])).rejects.toMatchObject({
      code: 'shard_other_base',
    });
    const damaged = await writeDamaged();
    await expect(run(['inspect', damaged])).rejects.toMatchObject({ code: 'shard_hash_mismatch' });
    await expect(run(['inspect', join(folder, 'none')])).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(run(['inspect', folder])).rejects.toMatchObject({ code: 'not_a_file' });
  });
});

describe('shard push, activate, rollback and list', () => {
  const seen: { method: string; url: string; key: string; bytes: number }[] = [];
  let server: Server;
  let environment: Record<string, string>;
  let activations = 0;

  /** Answers as the protocol says: the first activation is staged, the second active. */
  async function answer(request: IncomingMessage): Promise<[number, object]> {
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) bytes += chunk.length;
    const { method = '', url = '' } = request;
    seen.push({ method, url, key: request.headers.authorization ?? '', bytes });
    const versions = [
      {
        version: '1.0.0',
        state: 'active',
        sha256: 'a'.repeat(64),
        bytes: 5,
        base_fingerprint: 'b'.repeat(64),
        published_at: 1,
        hosts: 2,
      },
    ];
    const activation = {
      specialty: 'cardiovascular',
      version: '1.0.0',
      previous: null,
      holders: 1,
      quorum: 1,
    };
    if (method === 'GET')
      return [200, { object: 'list', data: [{ specialty: 'cardiovascular', active: '1.0.0', versions }] }];
    if (method === 'PUT') return [201, {}];
    if (url.endsWith('/activate'))
      return [200, { ...activation, state: activations++ === 0 ? 'staged' : 'active' }];
    return [
      409,
      {
        error: {
          message: 'There is no previous version.',
          type: 'conflict_error',
          param: null,
          code: 'conflict',
        },
      },
    ];
  }

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const [status, body] = await answer(request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    environment = { SPARSEDOCTOR_ADMIN_KEY: 'secret', SPARSEDOCTOR_EDGE_PORT: String(port) };
  });
  afterAll(() => server.close());

  test('uploads the bytes with the admin key, then activates once hosts hold them', async () => {
    const lines = await run(['push', shardPath, '--activate'], environment);
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'PUT /v1/shards/cardiovascular/versions/1.0.0',
      'POST /v1/shards/cardiovascular/activate',
      'POST /v1/shards/cardiovascular/activate',
    ]);
    expect(seen[0]).toMatchObject({ key: 'Bearer secret', bytes: (await readFile(shardPath)).length });
    expect(lines.at(-1)).toBe('cardiovascular 1.0.0 is active.');
  });

  test('uploads nothing that is damaged', async () => {
    const before = seen.length;
    const damaged = await writeDamaged();
    await expect(run(['push', damaged], environment)).rejects.toMatchObject({ code: 'shard_hash_mismatch' });
    expect(seen).toHaveLength(before);
  });

  test('lists versions and marks the active one', async () => {
    expect(await run(['list'], environment)).toEqual([
      expect.stringMatching(/^cardiovascular +\*1\.0\.0 \(active, 2 hosts\)$/),
    ]);
  });

  test('says what the edge said, and what to do without a key or an edge', async () => {
    await expect(run(['rollback', 'cardiovascular'], environment)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('There is no previous version.'),
    });
    await expect(run(['list'])).rejects.toMatchObject({ code: 'missing_admin_key' });
    const nobody = { ...environment, SPARSEDOCTOR_EDGE_URL: 'http://127.0.0.1:1' };
    await expect(run(['list'], nobody)).rejects.toMatchObject({ code: 'edge_unreachable' });
  });
});
