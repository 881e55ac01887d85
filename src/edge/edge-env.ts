/** What every route of the gateway finds in its Hono context: the bindings, and who calls. */
import type { Bindings } from './bindings.ts';

export type Role = 'client' | 'admin' | 'host';

export interface Caller {
  readonly role: Role;
  /** Stable name of the key for fairness and metrics. */
  readonly keyId: string;
}

export interface EdgeEnv {
  Bindings: Bindings;
  Variables: { requestId: string; caller: Caller };
}
