/** How a product of M rows is cut into work items; `product-tile.ts` says the same in TypeScript. */

export function tileRows(M: i32): i32 {
  if (M <= 512) return 96;
  const pairs = (M + 383) / 384;
  return (((M + 2 * pairs - 1) / (2 * pairs) + 5) / 6) * 6;
}

@inline
export function tileColumns(M: i32): i32 {
  return M <= 24 ? 64 : 256;
}
