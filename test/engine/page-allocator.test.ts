import { describe, expect, it } from 'vitest';
import { PageAllocator } from '../../src/engine/page-allocator.ts';

describe('PageAllocator', () => {
  it('hands out each page once and none when too few are left', () => {
    const allocator = new PageAllocator(5);
    const first = allocator.allocate(3)!;
    expect(allocator.allocate(3)).toBeUndefined();
    expect(allocator.free).toBe(2);
    const second = allocator.allocate(2)!;
    expect(new Set([...first, ...second]).size).toBe(5);
  });

  it('frees a shared page only when its last holder lets go', () => {
    const allocator = new PageAllocator(1);
    const [page] = allocator.allocate(1)!;
    allocator.retain(page!);
    allocator.release(page!);
    expect(allocator.free).toBe(0);
    allocator.release(page!);
    expect(allocator.free).toBe(1);
  });

  it('refuses to release a page twice or to retain a free one', () => {
    const allocator = new PageAllocator(2);
    const [page] = allocator.allocate(1)!;
    allocator.release(page!);
    expect(() => allocator.release(page!)).toThrow('twice');
    expect(() => allocator.retain(page!)).toThrow('free page');
  });
});
