/** Shapes for the products that carry experts: beside every device's tiles, without experts, with places left empty. */
export const expertProductShapes = [
  { T: 1, N: 4, M: 1, K: 0, R: 4, S: 1 },
  { T: 1, N: 32, M: 70, K: 2, R: 8, S: 5 },
  { T: 3, N: 260, M: 7, K: 1, R: 4, S: 3 },
  { T: 5, N: 64, M: 9, K: 4, R: 5, S: 9 },
  { T: 19, N: 300, M: 67, K: 2, R: 16, S: 6 },
  { T: 26, N: 36, M: 130, K: 3, R: 8, S: 7 },
  { T: 26, N: 288, M: 258, K: 2, R: 8, S: 6 },
  { T: 99, N: 8, M: 258, K: 2, R: 3, S: 4 },
] as const;
