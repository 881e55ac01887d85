/** Which shards a request gets: those it names exactly, else what its model name means on this host alone. */
import { CallerError } from '../base/errors.ts';
import { modelNotFound } from '../protocol/models.ts';
import type { CommonRequest } from '../protocol/request-fields.ts';
import { parseModelName, pinnedModelName, ROUTED_MODEL } from '../protocol/route.ts';
import type { ShardLease, ShardStore } from './shard-store.ts';

/** Throws `shard_not_resident` (exact versions) or `model_not_found` (names). */
export function selectShards(
  request: Pick<CommonRequest, 'model' | 'shards'>,
  store: ShardStore,
): ShardLease {
  if (request.shards) return store.acquire(request.shards);
  const choice = parseModelName(request.model);
  if (choice === null) throw modelNotFound();
  if (choice.kind === 'base') return store.acquire([]);
  if (choice.kind === 'routed') {
    throw new CallerError(
      'model_not_found',
      `This host has no router: ask the edge for "${ROUTED_MODEL}", or name "${pinnedModelName('<specialty>')}" or "base".`,
      { param: 'model' },
    );
  }
  const version = store.newest(choice.specialty);
  if (version === undefined) throw modelNotFound();
  return store.acquire([{ name: choice.specialty, version, prior: 1 }]);
}
