/** How a product of T rows is cut into work items; `simd/tile.simd.ts` says the same in AssemblyScript. */

/** A few rows make narrow tiles, so that decoding spreads over threads too. */
function productTile(rows: number): { readonly rows: number; readonly columns: number } {
  return { rows: rows > 512 ? 192 : 96, columns: rows <= 24 ? 64 : 256 };
}

/** Work items of a [rows, columns] result; `columnsAtOnce` where an item takes fewer than the tile's. */
export function productItems(rows: number, columns: number, columnsAtOnce = Infinity): number {
  const tile = productTile(rows);
  return Math.ceil(rows / tile.rows) * Math.ceil(columns / Math.min(tile.columns, columnsAtOnce));
}

/** Most rows that one work item has of a product of `rows` rows. */
export function productTileRows(rows: number): number {
  return Math.min(rows, productTile(rows).rows);
}
