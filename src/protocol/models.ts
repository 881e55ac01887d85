/** Model names: `sparsedoctor` (the router chooses), `sparsedoctor:<specialty>` (pinned), `base` (no experts). */
import { CallerError } from '../base/errors.ts';
import { specialtyPattern } from './limits.ts';

export const routedModel = 'sparsedoctor';
export const baseModel = 'base';

export type ModelName =
  | { readonly kind: 'routed' }
  | { readonly kind: 'pinned'; readonly specialty: string }
  | { readonly kind: 'base' };

export interface ModelList {
  readonly object: 'list';
  readonly data: {
    readonly id: string;
    readonly object: 'model';
    readonly created: number;
    readonly owned_by: string;
  }[];
}

/** Throws `model_not_found` for a name of no known form; whether a pinned specialty exists is for the caller to say. */
export function parseModelName(name: string): ModelName {
  if (name === routedModel) return { kind: 'routed' };
  if (name === baseModel) return { kind: 'base' };
  const specialty = name.startsWith(`${routedModel}:`) ? name.slice(routedModel.length + 1) : '';
  if (specialtyPattern.test(specialty)) return { kind: 'pinned', specialty };
  throw modelNotFound();
}

export function pinnedModel(specialty: string): string {
  return `${routedModel}:${specialty}`;
}

export function modelNotFound(): CallerError {
  return new CallerError(
    'model_not_found',
    `There is no such model. GET /v1/models lists them: "${routedModel}", "${routedModel}:<specialty>" or "${baseModel}".`,
    { param: 'model' },
  );
}

export function modelList(names: readonly string[], created: number): ModelList {
  return {
    object: 'list',
    data: names.map((id) => ({ id, object: 'model', created, owned_by: routedModel })),
  };
}
