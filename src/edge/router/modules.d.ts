/** Files that wrangler bundles beside the code, by the rules in the wrangler files. */

declare module '*.onnx' {
  const bytes: ArrayBuffer;
  export default bytes;
}

declare module '*.wasm' {
  const compiled: WebAssembly.Module;
  export default compiled;
}
