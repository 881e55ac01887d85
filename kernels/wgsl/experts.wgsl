// What products with experts share. The importing kernel declares x, h and b, N and R, and its tile.

// Adds what rows of w, fetched at block k, give with the tokens from t0 on.
fn add_rows(t0: u32, k: u32, rows: ptr<function, array<w_block, ROWS>>, sums: ptr<function, array<f32, COUNT>>) {
  for (var v = 0u; v < W_VECS; v++) {
    var inputs: array<vec4f, TOKENS>;
    for (var t = 0u; t < TOKENS; t++) {
      inputs[t] = x[min(t0 + t, params.T - 1u) * (N / 4u) + k * W_VECS + v];
    }
    for (var m = 0u; m < ROWS; m++) {
      let row = w_part((*rows)[m], v);
      for (var t = 0u; t < TOKENS; t++) {
        (*sums)[m * TOKENS + t] = add_product(row, inputs[t], (*sums)[m * TOKENS + t]);
      }
    }
  }
}

// A row of B, which begins at element `row`, times the R hidden values from `hidden` on.
fn expand(row: u32, hidden: u32) -> f32 {
  var dot = 0.0;
  if (R % 4u != 0u) {
    for (var r = 0u; r < R; r++) {
      dot = fma(b_one(row + r), h[hidden + r], dot);
    }
    return dot;
  }
  for (var r = 0u; r < R; r += 4u) {
    let four = b_at((row + r) / 4u);
    for (var i = 0u; i < 4u; i++) {
      dot = fma(four[i], h[hidden + r + i], dot);
    }
  }
  return dot;
}
