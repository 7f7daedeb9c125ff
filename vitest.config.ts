import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Where .ci/run wants the counts of a run. */
const summary = process.env['FLOE_TEST_SUMMARY']

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/services/**', 'node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Two cores are both for the tests: by default one of them would be left to the process that starts them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: summary === undefined ? ['default'] : ['default', 'json'],
    ...(summary === undefined ? {} : { outputFile: { json: summary } }),
  },
})
export default config
