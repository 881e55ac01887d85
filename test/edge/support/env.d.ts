/** Types of `env` and `exports` from cloudflare:workers in the tests of the gateway. */
import type { Bindings } from '../../../src/edge/bindings.ts';
import type * as worker from '../../../src/edge/worker.ts';

declare global {
  namespace Cloudflare {
    interface Env extends Readonly<Bindings> {}
    interface GlobalProps {
      mainModule: typeof worker;
    }
  }
}
