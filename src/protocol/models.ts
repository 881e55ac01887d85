/** GET /v1/models, and the error for a model name that nobody serves. */
import { CallerError } from '../base/errors.ts';
import { BASE_MODEL, pinnedModelName, ROUTED_MODEL } from './route.ts';

export interface ModelList {
  readonly object: 'list';
  readonly data: {
    readonly id: string;
    readonly object: 'model';
    readonly created: number;
    readonly owned_by: string;
  }[];
}

/** `created` in Unix seconds. */
export function modelList(names: readonly string[], created: number): ModelList {
  return {
    object: 'list',
    data: names.map((id) => ({ id, object: 'model', created, owned_by: 'sparsedoctor' })),
  };
}

export function modelNotFound(): CallerError {
  return new CallerError(
    'model_not_found',
    `There is no such model here. GET /v1/models lists those that exist: "${ROUTED_MODEL}", "${pinnedModelName('<specialty>')}", "${BASE_MODEL}".`,
    { param: 'model' },
  );
}
