/** `npm run build:page`: the chat page into build/page, which the edge serves as static assets. */
import { join } from 'node:path';
import { buildPage } from './build-page.ts';

const gzipped = await buildPage(join(import.meta.dirname, '..', '..', 'build', 'page'));
process.stdout.write(`Chat page: ${(gzipped / 1024).toFixed(1)} kB gzipped\n`);
