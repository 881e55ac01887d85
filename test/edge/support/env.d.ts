/** Types of `env` and `exports` from cloudflare:workers in the tests of the gateway. */
declare namespace Cloudflare {
  interface Env extends Readonly<import('../../../src/edge/bindings.ts').Bindings> {}
  interface GlobalProps {
    mainModule: typeof import('../../../src/edge/worker.ts');
  }
}
