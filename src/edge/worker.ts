/** Entry of the gateway Worker: the app, and the classes of its Durable Objects. */
import { createApp } from './app.ts';
import type { Bindings } from './bindings.ts';

export { AdmissionQueue } from './admission/admission-queue.ts';
export { ShardRegistry } from './registry/shard-registry.ts';

const app = createApp();

export default { fetch: app.fetch } satisfies ExportedHandler<Bindings>;
