import { defineConfig, type ViteUserConfig } from 'vitest/config'

const summary = process.env['FLOE_TEST_SUMMARY']

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/services/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The engines are shared and this machine is small: one file after the other.
    fileParallelism: false,
    reporters: summary === undefined ? ['default'] : ['default', 'json'],
    ...(summary === undefined ? {} : { outputFile: { json: summary } }),
  },
})
export default config
