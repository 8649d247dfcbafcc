import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const alias = [
  { find: /^secretmanager$/, replacement: source('src/index.ts') },
  { find: /^secretmanager\/testing$/, replacement: source('src/dev/testing.ts') },
]

/** `unit` needs nothing but Node; `real` needs the servers of `npm run servers:build`. */
const config: ViteUserConfig = defineConfig({
  test: {
    // By itself vitest leaves a processor free, which on two means one.
    maxWorkers: '100%',
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/real/**', 'test/servers/**'],
          testTimeout: 20_000,
          // No test changes a module or a global, so they may share them: half the time is saved.
          isolate: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          globalSetup: ['test/real/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})

export default config
