/** Writes rows to gzipped JSON Lines files, and says what was written: the same rows give the same bytes. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface WrittenFile {
  readonly rows: number;
  readonly bytes: number;
  readonly bytesUncompressed: number;
  readonly sha256: string;
}

export interface RowWriter {
  /** `name`: relative path of the file. */
  write(name: string, row: object): Promise<void>;
  /** What was written, by relative path. */
  finish(): Promise<Record<string, WrittenFile>>;
}

interface OpenFile {
  readonly write: (line: string) => Promise<void>;
  readonly close: () => Promise<WrittenFile>;
}

export function createRowWriter(folder: string): RowWriter {
  const files = new Map<string, OpenFile>();
  return {
    async write(name, row) {
      let file = files.get(name);
      if (file === undefined) {
        file = await openFile(join(folder, name));
        files.set(name, file);
      }
      await file.write(`${JSON.stringify(row)}\n`);
    },
    async finish() {
      const written: Record<string, WrittenFile> = {};
      for (const [name, file] of [...files].sort(([left], [right]) => (left < right ? -1 : 1))) {
        written[name] = await file.close();
      }
      return written;
    },
  };
}

async function openFile(path: string): Promise<OpenFile> {
  await mkdir(dirname(path), { recursive: true });
  const gzip = createGzip({ level: 9 });
  const hash = createHash('sha256');
  let [rows, bytes, bytesUncompressed] = [0, 0, 0];
  gzip.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  const file = gzip.pipe(createWriteStream(path));
  return {
    async write(line) {
      rows += 1;
      bytesUncompressed += Buffer.byteLength(line);
      if (!gzip.write(line)) await once(gzip, 'drain');
    },
    async close() {
      gzip.end();
      await finished(file);
      return { rows, bytes, bytesUncompressed, sha256: hash.digest('hex') };
    },
  };
}
