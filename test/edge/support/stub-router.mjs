/**
 * Stands in for the neural router, so that a test can say what it answers: the last message holds the probabilities as
 * JSON, `fail` makes it throw, anything else is unclear. The real one is tested in test/edge/router and end to end.
 */
import { WorkerEntrypoint } from 'cloudflare:workers';

export class RouterEntrypoint extends WorkerEntrypoint {
  async route(messages) {
    const last = messages.at(-1)?.content ?? '';
    if (last === 'fail') throw new Error('the router is down');
    const probabilities = last.startsWith('{') ? JSON.parse(last) : {};
    const specialties = Object.entries(probabilities)
      .map(([specialty, probability]) => ({ specialty, probability }))
      .sort((a, b) => b.probability - a.probability);
    return { specialties, router: 'onnx' };
  }
}

export default {
  fetch: () => new Response(null, { status: 404 }),
};
