/** `npm run build:page`: the chat page into build/page, which the edge serves as static assets. */
import { join } from 'node:path';
import { buildPage } from './build-page.ts';

const sizes = await buildPage(join(import.meta.dirname, '..', '..', 'build', 'page'));
const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} kB gzipped`;
process.stdout.write(`Chat page: ${kilobytes(sizes.firstLoad)}\n`);
if (sizes.engine > 0) {
  const model = (sizes.model / 1e6).toFixed(1);
  process.stdout.write(`On this device: engine ${kilobytes(sizes.engine)}, model ${model} MB and shards\n`);
}
