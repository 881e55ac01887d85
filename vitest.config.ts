import { readFileSync } from 'node:fs';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

// Nothing here may reach out: no request metadata from the network, no usage reports.
process.env['CLOUDFLARE_CF_FETCH_ENABLED'] = 'false';
process.env['WRANGLER_SEND_METRICS'] = 'false';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/edge/**', 'test/full/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A busy machine is slow, not wrong.
          expect: { poll: { timeout: 20_000 } },
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                API_KEY: 'client-key,second-key',
                ADMIN_KEY: 'admin-key',
                HOST_SECRET: 'host-secret',
                ALLOWED_HOSTS: 'http://127.0.0.1:*',
                ACTIVATION_WAIT_MS: '500',
                QUEUE_LENGTH: '6',
                QUEUE_PER_KEY: '4',
                QUEUE_WAIT_MS: '4000',
                LEASE_TTL_MS: '1500',
                EARLY_ANSWER_MS: '200',
                FIRST_TOKEN_MS: '3000',
                STREAM_IDLE_MS: '3000',
                ANSWER_MS: '4000',
              },
              workers: [
                {
                  name: 'sparsedoctor-router',
                  modules: true,
                  script: readFileSync('test/edge/support/stub-router.mjs', 'utf8'),
                  compatibilityDate: '2026-11-01',
                },
              ],
            },
          }),
        ],
        test: {
          name: 'edge',
          include: ['test/edge/**/*.test.ts'],
          exclude: ['test/edge/router/**'],
          // One workerd for all files; each test resets the storage that it uses.
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './src/edge/router/wrangler.toml' } })],
        test: {
          name: 'router',
          include: ['test/edge/router/**/*.test.ts'],
          // One isolate for all files: each start compiles onnxruntime's 14 MB.
          isolate: false,
          testTimeout: 60_000,
        },
      },
    ],
  },
});
