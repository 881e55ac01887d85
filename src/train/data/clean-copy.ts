/** A copy of a data directory without the rows that give away evaluation questions; all else stays as it is. */
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { DataCheck } from './check-data.ts';
import { readRows } from './read-rows.ts';
import { createRowWriter, type WrittenFile } from './row-writer.ts';

/** Every field is kept. */
const anyRowSchema = z.looseObject({ id: z.string() });

/** Writes the files of `check` to `outFolder`, as gzipped JSON Lines whatever they were. */
export async function copyClean(
  dataDirectory: string,
  outFolder: string,
  check: DataCheck,
): Promise<Record<string, WrittenFile>> {
  const removed = new Set(check.dedupe.matches.map(({ file, row }) => `${file}\n${row}`));
  const writer = createRowWriter(outFolder);
  for (const { file } of check.files) {
    const name = file.endsWith('.gz') ? file : `${file}.gz`;
    for await (const row of readRows(join(dataDirectory, file), anyRowSchema)) {
      if (!removed.has(`${file}\n${row.id}`)) await writer.write(name, row);
    }
  }
  const labels = join(outFolder, 'specialties.json');
  await mkdir(dirname(labels), { recursive: true });
  // A directory without a list of labels is fine too.
  await copyFile(join(dataDirectory, 'specialties.json'), labels).catch(() => {});
  return writer.finish();
}
