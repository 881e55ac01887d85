/** Which shard a question of an evaluation is answered with. */
import { CallerError } from '../base/errors.ts';
import { BASE_MODEL, parseModelName, pinnedModelName, ROUTED_MODEL } from '../protocol/route.ts';
import { GENERAL } from '../train/data/corpus.ts';

export interface ShardChoice {
  /** As the command line and tables name it. */
  readonly name: string;
  readonly description: string;
  /** By the question's label; null: the base alone. */
  shardFor(specialty: string | null): string | null;
  /** The same as a server's model. */
  modelFor(specialty: string | null): string;
}

/** How far along the list of specialties the wrong shard lies: the same for every question. */
const WRONG_STEP = 5;

/**
 * `base`, `sparsedoctor:<specialty>`, `right` (the shard of the question's own label; the general one, or the base where
 * there is none, for questions without), `wrong` (a control: the shard of another specialty), or the name of a server's
 * model. Throws `CallerError` for a shard that is not there.
 */
export function chooseShards(name: string, shards: readonly string[], isServer: boolean): ShardChoice {
  if (name === 'right' || name === 'wrong') {
    const step = name === 'right' ? 0 : WRONG_STEP;
    const shardFor = (specialty: string | null): string | null => shardOf(shards, specialty, step);
    const what =
      name === 'right' ? 'shard of each question’s own label' : 'shard of another specialty (control)';
    const modelFor = (specialty: string | null): string => {
      const shard = shardFor(specialty);
      return shard === null ? BASE_MODEL : pinnedModelName(shard);
    };
    return { name, description: `${what}, no router`, shardFor, modelFor };
  }
  const named = parseModelName(name);
  const pinned = named?.kind === 'pinned' ? named.specialty : null;
  if (!isServer) {
    if (name === ROUTED_MODEL) {
      throw new CallerError(
        'no_router',
        'The router is the edge’s: give --url of a running edge, or --model right for the shard of each question’s own label.',
      );
    }
    if (name !== BASE_MODEL && (pinned === null || !shards.includes(pinned))) {
      const known = ['base', 'right', 'wrong', ...shards.map(pinnedModelName)].join(', ');
      throw new CallerError('unknown_model', `There is no model ${name}: choose among ${known}.`);
    }
  }
  return { name, description: name, shardFor: () => pinned, modelFor: () => name };
}

function shardOf(shards: readonly string[], specialty: string | null, step: number): string | null {
  const named = shards.filter((shard) => shard !== GENERAL);
  const own = specialty ?? GENERAL;
  const wanted = step === 0 ? own : named[(Math.max(0, named.indexOf(own)) + step) % named.length];
  return shards.find((shard) => shard === wanted) ?? null;
}
