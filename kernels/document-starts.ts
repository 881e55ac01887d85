/** Packed rows for the cases of the training attention. */

/** Each row is cut into documents of about equal length; a token sees its own document only. */
export function documentStarts(B: number, T: number, documents: number): Uint32Array {
  const length = Math.ceil(T / documents);
  return Uint32Array.from({ length: B * T }, (_, i) => {
    const t = i % T;
    return t - (t % length);
  });
}
