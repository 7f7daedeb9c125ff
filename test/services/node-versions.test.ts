/** The unit tests and the tarball test on the other supported versions of Node. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const NODES = process.env['FLOE_NODES']

/** Suites that are long and test no code that another version of Node could change. */
const ON_ONE_VERSION = [
  'faults/**',
  'model/**',
  'crash/**',
  'examples/**',
  'corpus/**',
  'merge/index/**',
  'merge/upsert/**',
  'iceberg/puffin/**',
  'iceberg/table/fsck*.test.ts',
  'iceberg/table/damaged-deletes.test.ts',
  'iceberg/table/delete-where.test.ts',
  'iceberg/table/row-delta.test.ts',
  'iceberg/parquet/corpus.test.ts',
  'io/s3/requests.test.ts',
  'io/s3/s3-store.test.ts',
  'stream/faults.test.ts',
  'stream/group.test.ts',
  'stream/log/**',
  'iceberg/table/concurrency.test.ts',
]

/**
 * What rests on Node itself: threads, zlib, streams, files, the package. The versions between the oldest and the newest,
 * which run all of the tests, run these.
 */
const NEAR_NODE = [
  'core/',
  'io/',
  'iceberg/parquet/',
  'stream/sources/',
  'package/',
  'cli/',
  'serve/',
]
const BETWEEN: readonly number[] = [22, 24]

describe.runIf(NODES !== undefined)('other versions of Node', () => {
  for (const major of [22, 24, 26]) {
    it(`Node ${major}: unit tests and tarball test`, async () => {
      const bin = join(NODES ?? '', 'node_modules', `node${major}`, 'bin')
      expect(existsSync(join(bin, 'node'))).toBe(true)
      const { FLOE_TEST_SUMMARY: _summary, NODE_OPTIONS: _options, ...env } = process.env
      const excluded = ON_ONE_VERSION.flatMap((path) => ['--exclude', `test/${path}`])
      const only = BETWEEN.includes(major) ? NEAR_NODE.map((path) => `test/${path}`) : []
      const args = ['node_modules/vitest/vitest.mjs', 'run', ...only, ...excluded]
      const child = spawn(join(bin, 'node'), args, {
        cwd: ROOT,
        // npm and child processes of the tests find this version first.
        env: { ...env, PATH: `${bin}${delimiter}${process.env['PATH']}` },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      const collect = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-20_000)
      }
      child.stdout.on('data', collect)
      child.stderr.on('data', collect)
      const code = await new Promise((resolve) => child.on('close', resolve))
      expect(code, output).toBe(0)
    }, 600_000)
  }
})
