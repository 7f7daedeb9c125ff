/** Avro containers that other writers made: row counts, and typed errors for what is not supported. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import { type AvroValue, compileDecoder } from '../../../src/iceberg/avro/decode.ts'
import { compileSkip } from '../../../src/iceberg/avro/skip.ts'
import { type CorpusEntry, corpusIndex, corpusPath, describeCorpus } from '../../support/corpus.ts'

/** Decodes all rows and, on second cursors, passes over them: both must end at the end of each block. */
function readAll(path: string): AvroValue[] {
  const container = new AvroContainer(readFileSync(path), path, DEFAULT_LIMITS)
  const decode = compileDecoder(container.schema)
  const skip = compileSkip(container.schema)
  const rows: AvroValue[] = []
  for (const { count, cursor } of container.blocks()) {
    for (let i = 0; i < count; i++) rows.push(decode(cursor))
    cursor.expectEnd()
  }
  for (const { count, cursor } of container.blocks()) {
    for (let i = 0; i < count; i++) skip(cursor)
    cursor.expectEnd()
  }
  return rows
}

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'no error'
  } catch (error) {
    return isFloeError(error) ? error.code : String(error)
  }
}

const entries = corpusIndex().filter((entry) => entry.kind === 'avro')
const rowsOf = (entry: CorpusEntry): number | undefined =>
  (entry['expected_rows'] as { count: number } | undefined)?.count
const UNSUPPORTED: Readonly<Record<string, string>> = {
  'alltypes_plain.bzip2.avro': 'UNSUPPORTED_CODEC',
  'alltypes_plain.xz.avro': 'UNSUPPORTED_CODEC',
  'test.avro12': 'UNSUPPORTED_FILE_FORMAT',
  // Not containers: a single-object message and its schema.
  'test_message.bin': 'CORRUPT_AVRO',
  'test_schema.avsc': 'CORRUPT_AVRO',
}

describeCorpus('avro corpus', () => {
  for (const entry of entries) {
    const name = entry.path.split('/').at(-1) as string
    const expected = UNSUPPORTED[name]
    if (expected !== undefined) {
      it(`${entry.path}: ${expected}`, () => {
        expect(codeOf(() => readAll(corpusPath(entry.path)))).toBe(expected)
      })
      continue
    }
    it(`${entry.path}: ${rowsOf(entry)} rows`, () => {
      const rows = readAll(corpusPath(entry.path))
      if (rowsOf(entry) !== undefined) expect(rows).toHaveLength(rowsOf(entry) as number)
    })
  }

  it('reads the same records from every codec', () => {
    const weather = ['', '-deflate', '-snappy', '-zstd'].map((suffix) =>
      readAll(corpusPath(`avro/apache-avro/weather${suffix}.avro`)),
    )
    const expected = readFileSync(corpusPath('avro/apache-avro/weather.json'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { station: string; time: number; temp: number })
      .map(({ station, time, temp }) => ({ station, time: BigInt(time), temp }))
    for (const rows of weather) expect(rows).toEqual(expected)
    const zstandard = readAll(corpusPath('avro/arrow-testing/alltypes_plain.zstandard.avro'))
    expect(zstandard).toEqual(readAll(corpusPath('avro/arrow-testing/alltypes_plain.snappy.avro')))
  })

  it('keeps header entries that are not text', () => {
    const path = corpusPath('avro/apache-avro/syncInMeta.avro')
    const container = new AvroContainer(readFileSync(path), path, DEFAULT_LIMITS)
    const binary = [...container.metadata].filter(([key]) => container.text(key) === undefined)
    expect(binary.length).toBeGreaterThan(0)
  })
})
