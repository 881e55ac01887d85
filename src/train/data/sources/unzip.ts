/** Archives in which some sources publish their files. */
import { strFromU8, unzipSync } from 'fflate';

const MAX_UNZIPPED = 512 * 2 ** 20;

/** The JSON and CSV files of an archive, as UTF-8. */
export function unzip(bytes: Uint8Array): { path: string; text: string }[] {
  let total = 0;
  const files = unzipSync(bytes, {
    filter: ({ name, originalSize }) => {
      total += originalSize;
      return total <= MAX_UNZIPPED && /\.(?:json|csv)$/u.test(name);
    },
  });
  return Object.entries(files).map(([path, content]) => ({ path, text: strFromU8(content) }));
}
