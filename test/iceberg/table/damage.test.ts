/**
 * Every file of a table, truncated, emptied, overwritten and mutated: scanning gives rows or a typed error, never a crash,
 * within bounded time. FLOE_FUZZ_RUNS raises the number of mutations; the seed is printed with a failure.
 */
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { isFloeError, openTable, schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { startCpuTimer } from '../../support/cpu-time.ts'
import { memoryLake } from '../../support/lakes.ts'

const numRuns = Number(process.env['FLOE_FUZZ_RUNS'] ?? 150)
const LIMIT_MS = 5_000

interface StoredFile {
  readonly path: string
  readonly bytes: Uint8Array
}

let files: StoredFile[] = []
let metadataLocation = ''
let rowCount = 0

beforeAll(async () => {
  const store = new MemoryStore(systemRuntime)
  const lake = await memoryLake({ store })
  const table = await lake.createTable(
    'x.a',
    schema({
      id: t.long(),
      s: t.optional(t.string()),
      d: t.decimal(9, 2),
      tags: t.list(t.string()),
    }),
    { formatVersion: 3, partitionBy: ['bucket(2, id)'] },
  )
  for (let n = 0; n < 2; n++) {
    await table.append(
      Array.from({ length: 50 }, (_, i) => ({
        id: n * 50 + i,
        s: `s${i}`,
        d: `${i}.25`,
        tags: ['a', `t${i}`],
      })),
    )
  }
  metadataLocation = table.metadataLocation
  rowCount = await table.scan().count()
  for await (const { path } of store.list('memory://lake/x/'))
    files.push({ path, bytes: await store.get(path) })
  files = files.filter((f) => !f.path.endsWith('.metadata.json') || f.path === metadataLocation)
})

/** The table with one file replaced: the rows read, or the error. */
async function readWith(path: string, bytes: Uint8Array): Promise<number | Error> {
  const store = new MemoryStore(systemRuntime)
  for (const file of files) await store.put(file.path, file.path === path ? bytes : file.bytes)
  const limits = { metadataBytes: 1_000_000, manifestBytes: 1_000_000, rowGroupBytes: 16_000_000 }
  try {
    const table = await openTable(metadataLocation, { store, workers: 1, limits })
    try {
      let count = 0
      for await (const row of table.scan().rows({ form: 'json' }))
        count += Object.keys(row).length > 0 ? 1 : 0
      return count
    } finally {
      await table.close()
    }
  } catch (error) {
    return error as Error
  }
}

function expectTyped(result: number | Error): void {
  if (typeof result === 'number') return
  if (!isFloeError(result)) throw result
  expect(result.code).not.toBe('ASSERTION_FAILED')
}

describe('damaged files', () => {
  it('the table is sound to begin with', async () => {
    expect(files.length).toBeGreaterThanOrEqual(8)
    expect(await readWith('', new Uint8Array(0))).toBe(rowCount)
  })

  it('a file that is cut off or empty gives an error that names it', async () => {
    for (const { path, bytes } of files) {
      for (const length of [0, 3, bytes.length >> 1, bytes.length - 1]) {
        const result = await readWith(path, bytes.subarray(0, length))
        // A manifest list of an older snapshot is not read by a scan of the current one.
        if (result === rowCount) continue
        expectTyped(result)
        expect(result, `${path} cut to ${length}`).toBeInstanceOf(Error)
        expect((result as Error).message).toContain(path.slice(path.lastIndexOf('/') + 1))
      }
    }
  })

  it('mutated bytes give rows or a typed error, in bounded time', async () => {
    const mutation = fc.record({
      file: fc.nat(),
      edits: fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), {
        minLength: 1,
        maxLength: 8,
      }),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ file, edits }) => {
        const { path, bytes } = files[file % files.length] as StoredFile
        const mutated = bytes.slice()
        for (const { at, value } of edits) mutated[at % mutated.length] = value
        const cpuMs = startCpuTimer()
        expectTyped(await readWith(path, mutated))
        expect(cpuMs()).toBeLessThan(LIMIT_MS)
      }),
      { numRuns },
    )
  }, 120_000)
})
