/**
 * WGSL of a kernel in one of its variants, from one body. See docs/decisions/webgpu-bindings.md for what a body may say:
 * `#import name` takes `kernels/wgsl/name.wgsl`, or its version for subgroups; a binding with formats is declared as f32 and
 * read by functions (stored-bindings.ts); constants come from the spec. Lines keep their numbers, so that mistakes are found
 * where they are written.
 */
import type { KernelSpec, ShaderConstants } from '../../../kernels/kernel.ts';
import { invariant } from '../../base/invariant.ts';
import { declareStored, storedDeclaration, type Stored } from './stored-bindings.ts';

/** Text of a file of `kernels/`, by its path there. */
export type LoadShader = (path: string) => Promise<string>;

export interface ShaderFeatures {
  readonly subgroups: boolean;
  /** Most bytes of one binding; a multiple of 256. */
  readonly partBytes: number;
}

export interface ShaderVariant {
  readonly constants: ShaderConstants;
  readonly stored: readonly Stored[];
}

const IMPORT = /^#import ([a-z]+)$/gm;
/** Imports that have a version for subgroups. */
const withSubgroups = new Set(['lanes', 'reduce']);

export async function assembleShader(
  kernel: KernelSpec,
  load: LoadShader,
  { subgroups, partBytes }: ShaderFeatures,
  { constants, stored }: ShaderVariant,
): Promise<string> {
  const { name } = kernel;
  let body = await load(`${name}/${name}.wgsl`);
  const imports = [...body.matchAll(IMPORT)].map(([, imported]) => imported!);
  const bySubgroups = imports.map((imported) => subgroups && withSubgroups.has(imported));
  const texts = await Promise.all(
    imports.map((imported, i) => load(`wgsl/${imported}${bySubgroups[i] ? '-subgroups' : ''}.wgsl`)),
  );
  const functions: string[] = [];
  let next = firstPartPlace(kernel);
  for (const one of stored) {
    const binding = kernel.bindings.find((known) => known.name === one.name)!;
    const more = Array.from({ length: one.parts - 1 }, () => next++);
    const declared = storedDeclaration(one.name);
    const place = declared.exec(body)?.[1];
    invariant(place !== undefined, `${name}.wgsl does not declare "${one.name}" as array<vec4f>`);
    const text = declareStored(binding, one, Number(place), more, partBytes);
    body = body.replace(declared, text.declaration);
    functions.push(text.functions);
  }
  const declared = Object.entries(constants).map(([constant, value]) => `const ${constant} = ${value}u;`);
  const enabled = bySubgroups.includes(true) ? 'enable subgroups;' : '';
  // Before the first line what must come first, after the last what may come anywhere.
  return enabled + [body.replaceAll(IMPORT, ''), ...declared, ...functions, ...texts].join('\n');
}

/** Parts beyond the first of stored bindings are bound after the params. */
function firstPartPlace({ bindings, webgpu }: KernelSpec): number {
  const packed = webgpu?.packed?.length ?? 0;
  return bindings.length - packed + (packed > 0 ? 1 : 0) + 1;
}
