/**
 * WGSL of a kernel in one of its variants, from one body. See docs/decisions/webgpu-bindings.md for what a body may say:
 * `#import name` takes `kernels/wgsl/name.wgsl`, or its version for subgroups; `storage_t` is what weights and caches are
 * stored as; constants come from the spec. Lines keep their numbers, so that mistakes are found where they are written.
 */
import type { ShaderConstants } from '../../../kernels/kernel.ts';

/** Text of a file of `kernels/`, by its path there. */
export type LoadShader = (path: string) => Promise<string>;

export interface ShaderFeatures {
  readonly subgroups: boolean;
  readonly storage: 'f32' | 'f16';
}

const IMPORT = /^#import ([a-z]+)$/gm;
/** Imports that have a version for subgroups. */
const withSubgroups = new Set(['lanes']);

export async function assembleShader(
  name: string,
  load: LoadShader,
  { subgroups, storage }: ShaderFeatures,
  constants: ShaderConstants = {},
): Promise<string> {
  const body = await load(`${name}/${name}.wgsl`);
  const imports = [...body.matchAll(IMPORT)].map(([, imported]) => imported!);
  const bySubgroups = imports.map((imported) => subgroups && withSubgroups.has(imported));
  const texts = await Promise.all(
    imports.map((imported, i) => load(`wgsl/${imported}${bySubgroups[i] ? '-subgroups' : ''}.wgsl`)),
  );
  const declared = Object.entries(constants).map(([constant, value]) => `const ${constant} = ${value}u;`);
  const stored = body.includes('storage_t') ? [`alias storage_t = ${storage};`] : [];
  const enabled = [
    ...(bySubgroups.includes(true) ? ['enable subgroups;'] : []),
    ...(stored.length > 0 && storage === 'f16' ? ['enable f16;'] : []),
  ];
  // Before the first line what must come first, after the last what may come anywhere.
  return enabled.join(' ') + [body.replaceAll(IMPORT, ''), ...stored, ...declared, ...texts].join('\n');
}
