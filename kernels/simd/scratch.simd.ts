/** Memory of one thread alone. Globals belong to an instance, and every thread has an instance of its own. */

let base: usize = 0;

export function set_scratch(pointer: usize): void {
  base = pointer;
}

@inline
export function scratch(): usize {
  return base;
}
