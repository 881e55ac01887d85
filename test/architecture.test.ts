/** Holds the code to src/ARCHITECTURE.md: who may import whom, and what is absent. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  /** Files of the project that it imports, from the root. */
  readonly imports: readonly string[];
  /** Those of them that are left when types are erased. */
  readonly valueImports: readonly string[];
  readonly nodeModules: readonly string[];
}

const sources = [...(await readSources('src')), ...(await readSources('kernels'))];
const table = readTable(await readFile(join(root, 'src', 'ARCHITECTURE.md'), 'utf8'));

async function readSources(folder: string): Promise<Source[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
  return Promise.all(files.map((entry) => readSource(join(entry.parentPath, entry.name))));
}

async function readSource(file: string): Promise<Source> {
  const code = (await readFile(file, 'utf8'))
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '');
  const found = [
    ...code.matchAll(/^\s*(?:import|export)\s+(type\b)?[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/^\s*import\s*()['"]([^'"]+)['"]/gm),
    ...code.matchAll(/\bimport\(\s*()['"]([^'"]+)['"]/g),
    ...code.matchAll(/\bnew URL\(\s*()['"](\.[^'"]+\.ts)['"]/g),
  ].map(([, type, specifier = '']) => ({ specifier, isType: type === 'type' }));
  const local = found
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, isType }) => ({
      target: slashed(relative(root, join(dirname(file), specifier))),
      isType,
    }));
  const specifiers = found.map(({ specifier }) => specifier);
  const nodeModules = specifiers.filter((specifier) => specifier.startsWith('node:'));
  return {
    path: slashed(relative(root, file)),
    code,
    imports: local.map(({ target }) => target),
    valueImports: local.filter(({ isType }) => !isType).map(({ target }) => target),
    nodeModules,
  };
}

function slashed(path: string): string {
  return path.split(sep).join('/');
}

/** `src/edge/app.ts` → `edge`, `kernels/add/add.ts` → `kernels`; undefined for what is no code of a part. */
function partOf(path: string): string | undefined {
  const [top, second] = path.split('/');
  if (top === 'kernels') return 'kernels';
  return top === 'src' ? second : undefined;
}

function readTable(text: string): Map<string, ReadonlySet<string>> {
  const section = text.split(/^## /m).find((part) => part.startsWith('Who may import whom')) ?? '';
  const rows = [...section.matchAll(/^\| +([a-z]+) +\| +([a-z, ]+?) +\|$/gm)].map(
    ([, part = '', allowed = '']) => [part, allowed] as const,
  );
  return new Map(
    rows
      .filter(([part]) => part !== 'folder')
      .map(([part, allowed]) => [part, new Set(allowed === 'nothing' ? [] : allowed.split(', '))]),
  );
}

describe('imports', () => {
  test('the table names every part, and only parts that exist', () => {
    const parts = new Set(sources.map(({ path }) => partOf(path) ?? ''));
    expect([...table.keys()].sort()).toEqual([...parts].sort());
  });

  test('go only where the table allows', () => {
    let crossing = 0;
    const forbidden = sources.flatMap(({ path, imports }) =>
      imports.flatMap((target) => {
        const [from = '', to] = [partOf(path), partOf(target)];
        if (to === undefined || to === from) return [];
        crossing += 1;
        return table.get(from)?.has(to) === true ? [] : [`${path} → ${target}`];
      }),
    );
    expect(forbidden).toEqual([]);
    expect(crossing).toBeGreaterThan(100);
  });

  test('of code lead to files that exist', () => {
    const known = new Set(sources.map(({ path }) => path));
    const missing = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.endsWith('.ts') && partOf(target) !== undefined && !known.has(target))
        .map((target) => `${path} → ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('have no cycles, once types are erased', () => {
    expect(findCycle(new Map(sources.map(({ path, valueImports }) => [path, valueImports])))).toEqual([]);
  });

  test.each(['base', 'protocol', 'engine', 'model', 'edge'])('of %s take no module of Node', (part) => {
    const users = sources.filter(({ path, nodeModules }) => partOf(path) === part && nodeModules.length > 0);
    expect(users.map(({ path }) => path)).toEqual([]);
  });
});

/** The first cycle found, as its files in order; depth first, each file once. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] => {
    const at = trail.indexOf(file);
    if (at >= 0) return [...trail.slice(at), file];
    if (done.has(file)) return [];
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...trail, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

test('the search for cycles finds one', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
  ]);
  expect(findCycle(graph)).toEqual(['b', 'c', 'b']);
});

describe('absent are', () => {
  test('folders and files for odds and ends', () => {
    const odd = /(^|\/)(utils?|helpers?|common|misc|shared|lib)(\/|\.)/;
    expect(sources.map(({ path }) => path).filter((path) => odd.test(path))).toEqual([]);
  });

  test('reads of environment and arguments outside of cli', () => {
    const readers = sources.filter(({ code }) =>
      /\bprocess\s*\.\s*(env|argv|exit|stdin|stdout)\b/.test(code),
    );
    expect(readers.length).toBeGreaterThan(0);
    const elsewhere = readers.filter(({ path }) => partOf(path) !== 'cli' && !isBuildScript(path));
    expect(elsewhere.map(({ path }) => path)).toEqual([]);
  });

  test('default exports, except where a platform asks for one', () => {
    const withDefault = sources.filter(
      ({ code, path }) => /^export default /m.test(code) && partOf(path) !== 'edge',
    );
    expect(withDefault.map(({ path }) => path)).toEqual([]);
  });

  test('`any` and switched-off checks', () => {
    const loose = sources.filter(({ code }) => /\bas any\b|: any\b|<any>|@ts-ignore|@ts-nocheck/.test(code));
    expect(loose.map(({ path }) => path)).toEqual([]);
  });
});

/** Run by npm scripts, not imported by anything. */
function isBuildScript(path: string): boolean {
  return path === 'kernels/build.ts' || path === 'src/page/build.ts';
}
