/** How a product of T rows is cut into work items; `simd/tile.simd.ts` says the same in AssemblyScript. */

/** A few rows make narrow tiles, so that decoding spreads over threads too. */
function productTile(rows: number): { readonly rows: number; readonly columns: number } {
  return { rows: tileRows(rows), columns: rows <= 24 ? 64 : 256 };
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

/** Many rows make an even number of equal tiles, of at most 192 rows and whole blocks of 6, so that two threads share. */
function tileRows(rows: number): number {
  if (rows <= 512) return 96;
  const pairs = Math.ceil(rows / 384);
  return Math.ceil(Math.ceil(rows / (2 * pairs)) / 6) * 6;
}
