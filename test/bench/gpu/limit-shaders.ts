/** Shaders that do nothing but reach a limit of the GPU: read, copy, multiply and add, or start at all. */

export const GROUP = 256;

/** Each invocation sums its part of `source`, which it shares with no other. */
export const READ = `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  var sum = vec4f();
  for (var i = id.x; i < arrayLength(&source); i += groups.x * ${GROUP}u) {
    sum += source[i];
  }
  sums[id.x] = sum;
}`;

export const COPY = `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&source); i += groups.x * ${GROUP}u) {
    copied[i] = source[i];
  }
}`;

const CHAINS = 16;
const FMA_STEPS = 512;
/** Floating-point operations of one invocation of `fma`. */
export const FMA_OPERATIONS = FMA_STEPS * CHAINS * 4 * 2;

/** Independent chains of multiply-adds that never leave the registers. `factors` are read so that nothing is folded. */
export function fmaShader(type: 'f32' | 'f16'): string {
  const chains = Array.from({ length: CHAINS }, (_, i) => i);
  return `${type === 'f16' ? 'enable f16;' : ''}
@group(0) @binding(0) var<storage, read> factors: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4<${type}>(factors[0]);
  let b = vec4<${type}>(factors[1]);
  let start = vec4<${type}>(${type}(id.x % 8u));
${chains.map((i) => `  var s${i} = start + ${i}.0;`).join('\n')}
  for (var step = 0u; step < ${FMA_STEPS}u; step++) {
${chains.map((i) => `    s${i} = fma(s${i}, a, b);`).join('\n')}
  }
  sums[id.x] = vec4f(${chains.map((i) => `s${i}`).join(' + ')});
}`;
}

/** Rows and columns of the result that a workgroup makes. */
export const MATRIX_TILE = 128;

// The sums are written out, so that nothing but registers can hold them.
function addRow(row: number): string {
  const factor = `vec4(${row < 4 ? 'left' : 'right'}[${row % 4}])`;
  const [low, high] = [2 * row, 2 * row + 1];
  return `      s${low} = fma(${factor}, low, s${low}); s${high} = fma(${factor}, high, s${high});`;
}

function storeRow(row: number): string {
  const at = `start + ${row}u * QUADS`;
  return `  c[${at}] = s${2 * row}; c[${at} + 1u] = s${2 * row + 1};`;
}

/** c [N, N] = aᵀ b with a, b [N, N]: tiles of 128 × 128 by 16, 8 × 8 results in the registers of each invocation. */
export function matrixShader(type: 'f32' | 'f16', size: number): string {
  const rows = Array.from({ length: 8 }, (_, row) => row);
  const sums = Array.from({ length: 16 }, (_, i) => i);
  return `${type === 'f16' ? 'enable f16;' : ''}
const QUADS = ${size / 4}u;
const TILE_QUADS = 32u;
const DEPTH = 16u;
@group(0) @binding(0) var<storage, read> a: array<vec4<${type}>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<${type}>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<${type}>>;
var<workgroup> a_tile: array<vec4<${type}>, DEPTH * TILE_QUADS>;
var<workgroup> b_tile: array<vec4<${type}>, DEPTH * TILE_QUADS>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = lane % 16u * 2u;
  let row = lane / 16u * 2u;
${sums.map((i) => `  var s${i} = vec4<${type}>();`).join('\n')}
  for (var k = 0u; k < ${size}u; k += DEPTH) {
    for (var i = lane; i < DEPTH * TILE_QUADS; i += ${GROUP}u) {
      let place = (k + i / TILE_QUADS) * QUADS + i % TILE_QUADS;
      a_tile[i] = a[place + group.y * TILE_QUADS];
      b_tile[i] = b[place + group.x * TILE_QUADS];
    }
    workgroupBarrier();
    for (var depth = 0u; depth < DEPTH; depth++) {
      let at = depth * TILE_QUADS;
      let left = a_tile[at + row];
      let right = a_tile[at + row + 1u];
      let low = b_tile[at + column];
      let high = b_tile[at + column + 1u];
${rows.map(addRow).join('\n')}
    }
    workgroupBarrier();
  }
  let start = (group.y * ${MATRIX_TILE}u + row * 4u) * QUADS + group.x * TILE_QUADS + column;
${rows.map(storeRow).join('\n')}
}`;
}

/** Starts and reads one word: dispatches that need not wait for each other. */
export const EMPTY = `
@group(0) @binding(0) var<storage, read> source: array<u32>;
var<private> seen: u32;
@compute @workgroup_size(1)
fn main() {
  seen = source[0];
}`;

/** Starts, and might write: each dispatch waits for the one before, as those of a layer do. */
export const CHAINED = `
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(1)
fn main() {
  if (source[0] == 1u) {
    words[0] = 1u;
  }
}`;
