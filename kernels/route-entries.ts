import { NONE } from './kernel.ts';

/** Number of experts in a route's slot list, which ends at the first NONE or at `maxExperts`. */
export function routeEntries(routeSlots: ArrayLike<number>, route: number, maxExperts: number): number {
  let entries = 0;
  while (entries < maxExperts && routeSlots[route * maxExperts + entries] !== NONE) entries++;
  return entries;
}
