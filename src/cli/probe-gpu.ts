/** Prints what the GPU of this machine says of itself, or why there is none, as one line of JSON. See find-gpu.ts. */
import { InternalError } from '../base/errors.ts';
import { findNodeAdapter } from '../tensor/webgpu/node.ts';

try {
  process.stdout.write(JSON.stringify({ adapter: await findNodeAdapter() }));
} catch (error) {
  if (!(error instanceof InternalError)) throw error;
  process.stdout.write(JSON.stringify({ problem: error.message }));
}
