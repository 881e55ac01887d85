// What sums of exponentials share, where each is kept relative to the largest score that it has met. Whoever adds up the
// same parts in the same order gets the same bits: what could be fused in more than one way is written as `fma`.
const LOWEST = -3.4028234e38;

// What was summed relative to `before` counts this much relative to `after`. A GPU's exp(0) may be near 1 only.
fn faded(before: f32, after: f32) -> f32 {
  return select(exp(before - after), 1.0, before == after);
}

// A sum and a part that comes next, each times what it counts.
fn folded(sum: f32, kept: f32, part: f32, added: f32) -> f32 {
  return fma(sum, kept, part * added);
}

fn folded_values(sum: vec4f, kept: f32, part: vec4f, added: f32) -> vec4f {
  return fma(sum, vec4f(kept), part * added);
}
