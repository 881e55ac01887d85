export function adamw(
  param: usize,
  grad: usize,
  m: usize,
  v: usize,
  partial: usize,
  n: i32,
  parts: i32,
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
  max_norm: f32,
  start: i32,
  end: i32,
): void {
  let clip: f32 = 1;
  if (max_norm > 0) {
    let sum: f64 = 0;
    for (let i: i32 = 0; i < parts; i++) sum += <f64>load<f32>(partial + ((<usize>i) << 2));
    clip = <f32>min<f64>(1, <f64>max_norm / (sqrt<f64>(sum) + 1e-6));
  }
  const to = min(end * 16384, n);
  let i = start * 16384;
  const c = f32x4.splat(clip);
  const b1 = f32x4.splat(beta1),
    a1 = f32x4.splat(1 - beta1);
  const b2 = f32x4.splat(beta2),
    a2 = f32x4.splat(1 - beta2);
  const decay = f32x4.splat(1 - learning_rate * weight_decay);
  const rate = f32x4.splat(learning_rate / correction1);
  const inverse2 = f32x4.splat(1 / correction2);
  const small = f32x4.splat(epsilon);
  for (; i + 4 <= to; i += 4) {
    const at = (<usize>i) << 2;
    const g = f32x4.mul(v128.load(grad + at), c);
    const first = f32x4.add(f32x4.mul(b1, v128.load(m + at)), f32x4.mul(a1, g));
    const second = f32x4.add(f32x4.mul(b2, v128.load(v + at)), f32x4.mul(a2, f32x4.mul(g, g)));
    v128.store(m + at, first);
    v128.store(v + at, second);
    const step = f32x4.div(f32x4.mul(rate, first), f32x4.add(f32x4.sqrt(f32x4.mul(second, inverse2)), small));
    v128.store(param + at, f32x4.sub(f32x4.mul(v128.load(param + at), decay), step));
  }
  for (; i < to; i++) {
    const at = (<usize>i) << 2;
    const g = load<f32>(grad + at) * clip;
    const first = beta1 * load<f32>(m + at) + (1 - beta1) * g;
    const second = beta2 * load<f32>(v + at) + (1 - beta2) * (g * g);
    store<f32>(m + at, first);
    store<f32>(v + at, second);
    const step = ((learning_rate / correction1) * first) / (sqrt<f32>(second * (1 / correction2)) + epsilon);
    store<f32>(param + at, load<f32>(param + at) * (1 - learning_rate * weight_decay) - step);
  }
}
