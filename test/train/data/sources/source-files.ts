/** Files in the shape of a source, in a folder of their own, and what its reader makes of them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openSourceFolder } from '../../../../src/train/data/source-folder.ts';
import { SOURCES } from '../../../../src/train/data/sources/registry.ts';
import type { Draft, Source } from '../../../../src/train/data/sources/source.ts';

function sourceById(id: string): Source {
  const source = SOURCES.find((candidate) => candidate.id === id);
  if (source === undefined) throw new Error(`no source ${id}`);
  return source;
}

export function writeFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** `files`: relative to the root of the source's repository. */
export async function readSource(
  id: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<{ drafts: Draft[]; problems: string[] }> {
  const root = mkdtempSync(join(tmpdir(), 'source-'));
  try {
    const source = sourceById(id);
    writeFiles(join(root, source.repository), files);
    const problems: string[] = [];
    const folder = await openSourceFolder(root, source, (_, line, reason) =>
      problems.push(`${line}: ${reason}`),
    );
    if (folder === null) throw new Error('none of the files is of the source');
    const drafts: Draft[] = [];
    for await (const draft of source.read(folder)) drafts.push(draft);
    return { drafts, problems };
  } finally {
    rmSync(root, { recursive: true });
  }
}
