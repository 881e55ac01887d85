/**
 * Compiles every `<op>.simd.ts` into one WebAssembly module, twice: plain SIMD and relaxed SIMD (fused multiply-add).
 * A device takes the second where `WebAssembly.validate` accepts it. Writes build/kernels/{simd,relaxed}.wasm.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main as compile } from 'assemblyscript/asc';

const here = import.meta.dirname;
const out = join(here, '..', 'build', 'kernels');
mkdirSync(out, { recursive: true });

const folders = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const entries = folders.flatMap(({ name }) =>
  readdirSync(join(here, name))
    .filter((file) => file === `${name}.simd.ts` || file === 'scratch.simd.ts')
    .map((file) => `./${name}/${file}`),
);
const index = join(out, 'index.ts');
const toKernels = '../../kernels';
writeFileSync(
  index,
  entries.map((entry) => `export * from '${toKernels}/${entry.slice(2, -3)}';\n`).join(''),
);

for (const variant of ['simd', 'relaxed']) {
  const flags = ['-O3', '--noAssert', '--converge', '--runtime', 'stub', '--importMemory', '--sharedMemory'];
  const memory = ['--initialMemory', '1', '--maximumMemory', '65536'];
  const features = ['simd', 'threads', 'bulk-memory', ...(variant === 'relaxed' ? ['relaxed-simd'] : [])];
  const { error } = await compile(
    [
      'build/kernels/index.ts',
      '--outFile',
      `build/kernels/${variant}.wasm`,
      '--baseDir',
      join(here, '..'),
      ...flags,
      ...memory,
      ...features.flatMap((feature) => ['--enable', feature]),
    ],
    { stderr: process.stderr },
  );
  if (error) throw error;
}
