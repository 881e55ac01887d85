import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { DataProblem } from '../../../src/base/data-problem.ts';
import { createRowCheck, readRows } from '../../../src/train/data/read-rows.ts';
import { mcqRowSchema, sftRowSchema } from '../../../src/train/data/rows.ts';

const directory = mkdtempSync(join(tmpdir(), 'read-rows-'));
afterAll(() => rmSync(directory, { recursive: true }));

const schema = z.object({ n: z.int() });

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function labelled(id: string, specialty: string | null): string {
  return JSON.stringify({ id, specialty });
}

async function collect(
  path: string,
  onBadRow?: (problem: DataProblem) => void,
): Promise<{ rows: number[]; error: unknown }> {
  const rows: number[] = [];
  try {
    for await (const row of readRows(path, schema, onBadRow === undefined ? {} : { onBadRow }))
      rows.push(row.n);
    return { rows, error: null };
  } catch (error) {
    return { rows, error };
  }
}

describe('reading rows', () => {
  const good = Array.from({ length: 5000 }, (_, n) => JSON.stringify({ n, text: '头痛'.repeat(n % 50) }));
  const numbers = Array.from({ length: 5000 }, (_, n) => n);

  it.each([
    ['plain', 'good.jsonl', good.join('\n')],
    ['gzipped, with a last line end', 'good.jsonl.gz', gzipSync(`${good.join('\n')}\n`)],
    ['with Windows line ends and empty lines', 'crlf.jsonl', good.join('\r\n\r\n')],
  ])('reads a file that is %s', async (_, name, content) => {
    expect(await collect(file(name, content))).toEqual({ rows: numbers, error: null });
  });

  const bad = file(
    'bad.jsonl',
    Buffer.concat([
      Buffer.from('{"n":1}\n{"n":"病人的话"}\n{"n":2}\nnot json 病人\n'),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(`"${'x'.repeat(5 * 2 ** 20)}"\n{"n":3}\n`),
    ]),
  );

  it('refuses a file with bad rows, naming lines and reasons but no content', async () => {
    const { rows, error } = await collect(bad);
    expect(rows).toEqual([1]);
    expect(error).toMatchObject({ code: 'bad_data', param: bad });
    const message = String(error);
    expect(message).toContain('4 problems');
    expect(message).toContain(`${bad}:2: n: Invalid input`);
    expect(message).toContain(`${bad}:4: not valid JSON`);
    expect(message).toContain(`${bad}:5: not valid UTF-8`);
    expect(message).toContain(`${bad}:6: longer than`);
    expect(message).toContain('--skip-bad-rows');
    expect(message).not.toContain('病人');
  });

  it('lists the first twenty problems and counts all of them by reason', async () => {
    const rows = [...Array.from({ length: 30 }, () => '{"n":"x"}'), ...Array.from({ length: 7 }, () => '{')];
    const { error } = await collect(file('many.jsonl', rows.join('\n')));
    const message = String(error);
    expect(message.match(/many\.jsonl:\d+:/gu)).toHaveLength(20);
    expect(message).toContain('… and 17 more');
    expect(message).toMatch(/30 × n: Invalid input/u);
    expect(message).toMatch(/ 7 × not valid JSON/u);
    expect(message).toContain('37 problems');
  });

  it('finds duplicate ids across files and unknown specialties, naming the id', async () => {
    const first = file('first.jsonl', [labelled('a', null), labelled('b', 'tcm')].join('\n'));
    const second = file(
      'second.jsonl',
      [labelled('c', 'alchemy'), labelled('a', null), '{"id":"d"}'].join('\n'),
    );
    const problems: DataProblem[] = [];
    const check = createRowCheck(new Set(['tcm']));
    const schema = z.object({ id: z.string(), specialty: z.string().nullable() });
    const ids: string[] = [];
    for (const path of [first, second]) {
      const options = { check, onBadRow: (problem: DataProblem) => problems.push(problem) };
      for await (const { id } of readRows(path, schema, options)) ids.push(id);
    }
    expect(ids).toEqual(['a', 'b']);
    expect(problems).toEqual([
      { file: second, line: 1, id: 'c', reason: 'specialty: unknown' },
      { file: second, line: 2, id: 'a', reason: 'id: duplicate' },
      { file: second, line: 3, id: 'd', reason: expect.stringContaining('specialty: ') },
    ]);
  });

  it('leaves bad rows out when asked to, and reports each', async () => {
    const problems: DataProblem[] = [];
    const { rows, error } = await collect(bad, (problem) => problems.push(problem));
    expect(error).toBeNull();
    expect(rows).toEqual([1, 2, 3]);
    expect(problems.map(({ line }) => line)).toEqual([2, 4, 5, 6]);
  });

  it.each([
    ['is missing', join(directory, 'missing.jsonl')],
    ['is cut short', file('cut.jsonl.gz', gzipSync(good.join('\n')).subarray(0, 5000))],
    ['is not gzip in spite of its name', file('plain.jsonl.gz', '{"n":1}\n')],
  ])('refuses a file that %s', async (_, path) => {
    expect((await collect(path)).error).toMatchObject({ code: 'unreadable_data' });
  });
});

const identity = { id: 'a', source: 's', license: 'CC0-1.0', specialty: null };

function acceptsChat(messages: unknown): boolean {
  return sftRowSchema.safeParse({ ...identity, messages }).success;
}

describe('row schemas', () => {
  const user = { role: 'user', content: '头痛' };
  const assistant = { role: 'assistant', content: '休息' };

  it('wants a chat to begin with the user and end with the assistant', () => {
    expect(acceptsChat([user, assistant])).toBe(true);
    expect(acceptsChat([assistant, user, assistant])).toBe(false);
    expect(acceptsChat([user, assistant, user])).toBe(false);
    expect(acceptsChat([user, { role: 'system', content: 'x' }, assistant])).toBe(false);
    expect(acceptsChat([user, { role: 'assistant', content: '' }])).toBe(false);
  });

  it('wants the answers of a question to be among its options', () => {
    const options = { A: '对', B: '错' };
    const accepts = (answer: string, qtype: string): boolean =>
      mcqRowSchema.safeParse({ ...identity, question: '？', options, answer, qtype }).success;
    expect(accepts('A', 'single')).toBe(true);
    expect(accepts('AB', 'multi')).toBe(true);
    expect(accepts('AB', 'single')).toBe(false);
    expect(accepts('C', 'single')).toBe(false);
    expect(accepts('', 'multi')).toBe(false);
  });
});
