import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const alias = [
  { find: /^secretmanager$/, replacement: source('src/index.ts') },
  { find: /^secretmanager\/testing$/, replacement: source('src/dev/testing.ts') },
]

/** Limits are there to end what hangs: a machine that is busy with other things is no failure. */
const patience = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 20_000 } },
}

/** `unit` needs nothing but Node; `real` needs the servers of `npm run servers:build`. */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/real/**', 'test/servers/**'],
          ...patience,
          // One more than there are processors: some wait for a clock most of their time.
          maxWorkers: availableParallelism() + 1,
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
          ...patience,
          // By itself vitest leaves a processor free, which on two means one.
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})

export default config
