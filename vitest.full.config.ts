import { defineConfig } from 'vitest/config';

/** `npm run test:full`: what takes minutes. Builds as `npm test` does. */
export default defineConfig({
  test: {
    include: ['test/full/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
