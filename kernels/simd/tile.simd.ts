/** How a product of M rows is cut into work items; `product-tile.ts` says the same in TypeScript. */

@inline
export function tileRows(M: i32): i32 {
  return M > 512 ? 192 : 96;
}

@inline
export function tileColumns(M: i32): i32 {
  return M <= 24 ? 64 : 256;
}
