import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Where .ci/run wants the counts of a run. */
const summary = process.env['FLOE_TEST_SUMMARY']

/** Suites that take a minute: one that is begun last has one of the two processes wait for it. Others go by their size. */
const LONG = /\/test\/(model|crash|faults)\/|\/(table\/concurrency|pipeline\/run)\.test\.ts$/

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/services/**', 'node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    sequence: { sequencer: LongFirst },
    // Two cores are both for the tests: by default one of them would be left to the process that starts them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: summary === undefined ? ['default'] : ['default', 'json'],
    ...(summary === undefined ? {} : { outputFile: { json: summary } }),
  },
})
export default config
