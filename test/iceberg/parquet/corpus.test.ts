/**
 * Parquet files that other writers made: read as they should be, or refused with a typed error within bounded time
 * and memory. Groups parquet/* of the corpus.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import type { FileNode } from '../../../src/iceberg/parquet/file-schema.ts'
import { annotationOf, readLeafAs } from '../../../src/iceberg/parquet/leaf-types.ts'
import { parseNameMapping } from '../../../src/iceberg/parquet/name-mapping.ts'
import type { ParquetFile } from '../../../src/iceberg/parquet/reader.ts'
import type { ParquetPool } from '../../../src/iceberg/parquet/worker-pool.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import { type CorpusEntry, corpusIndex, corpusPath, describeCorpus } from '../../support/corpus.ts'
import { openFile, openPool, putFile, readFile, store } from './support.ts'

/** Files of which some column has a type that Iceberg does not have, with what is said of it. */
const UNSUPPORTED: Readonly<Record<string, RegExp>> = {
  'byte_stream_split_extended.gzip.parquet': /16-bit floats/,
  'concatenated_gzip_members.parquet': /unsigned 64-bit/,
  'float16_nonzeros_and_nans.parquet': /16-bit floats/,
  'float16_zeros_and_nans.parquet': /16-bit floats/,
  'floating_orders_nan_count.parquet': /16-bit floats/,
  'incorrect_map_schema.parquet': /optional keys/,
  'map_no_value.parquet': /without keys or values/,
  'nested_structs.rust.parquet': /unsigned 64-bit/,
}
/** Files whose checksums are wrong: other readers that do not look give rows. */
const DAMAGED = /corrupt-checksum/

let pool: ParquetPool
beforeAll(() => {
  pool = openPool()
})
afterAll(() => pool.close())

interface Outcome {
  readonly rows: Value[][]
  readonly errors: Error[]
}

/** Reads every column by itself, in the type that the file itself suggests. */
async function readAll(path: string): Promise<Outcome & { file: ParquetFile }> {
  return await readColumns(await putFile(corpusPath(path)))
}

async function readColumns(stored: string): Promise<Outcome & { file: ParquetFile }> {
  const file = await openFile(pool, stored)
  const columns: Value[][] = []
  const errors: Error[] = []
  for (const [i, node] of file.fileSchema.root.children.entries()) {
    try {
      const wanted = suggestedField(node, { next: 1000 })
      const id = node.element.field_id ?? i + 1
      columns.push((await readFile(file, [{ ...wanted, id }])).map((row) => row[0] as Value))
    } catch (error) {
      errors.push(error as Error)
    }
  }
  const rows = (columns[0] ?? []).map((_, i) => columns.map((column) => column[i] as Value))
  return { file, rows, errors }
}

async function column(path: string, wanted: NestedField): Promise<Value[]> {
  const file = await openFile(pool, await putFile(corpusPath(path)))
  return (await readFile(file, [wanted])).map((row) => row[0] as Value)
}

const entries = corpusIndex().filter((e) => e.kind === 'parquet')
const rowCount = (e: CorpusEntry): number | undefined =>
  (e['expected_rows'] as { count?: number } | undefined)?.count

describeCorpus('files of other writers', () => {
  const readable = entries.filter((e) => rowCount(e) !== undefined)

  it.each(readable.map((e) => [e.path.replace('parquet/', ''), e]))(
    'reads %s',
    async (_, entry) => {
      const { file, rows, errors } = await readAll(entry.path)
      const name = entry.path.split('/').at(-1) as string
      if (DAMAGED.test(name)) {
        expect(errors).toMatchObject([{ code: 'CHECKSUM_MISMATCH' }, { code: 'CHECKSUM_MISMATCH' }])
        return
      }
      for (const error of errors) {
        expect(error).toMatchObject({ code: 'UNSUPPORTED_TYPE' })
        expect(error.message).toMatch(UNSUPPORTED[name] ?? /never/)
      }
      expect(errors.length > 0).toBe(name in UNSUPPORTED)
      // The footer of this file says 0, its row groups say 6.
      const count = name === 'repeated_no_annotation.parquet' ? 6 : rowCount(entry)
      expect(file.rowGroups.reduce((sum, g) => sum + g.numRows, 0)).toBe(count)
      if (rows.length > 0 || errors.length === 0) expect(rows.length).toBe(count)
    },
  )

  const twins = entries.filter((e) => /the same values as/.test(String(e['expected'])))

  it('has twins of encodings', () => expect(twins.length).toBeGreaterThan(25))

  it.each(twins.map((e) => [e.path.replace('parquet/', ''), e]))(
    'reads the values of %s as those of its PLAIN twin',
    async (_, entry) => {
      const twin = /the same values as (\S+)/.exec(String(entry['expected']))?.[1] as string
      const [one, other] = [await readAll(entry.path), await readAll(twin)]
      expect(one.rows).toEqual(other.rows)
      expect(one.rows.length).toBe(1000)
    },
  )

  const bad = entries.filter((e) => e['expected_error'] !== undefined && e.id !== 'parquet-fuzz')

  it.each(bad.map((e) => [e.path.replace('parquet/', ''), e]))(
    'gives rows or a typed error for %s',
    async (_, entry) => {
      const outcome = await readAll(entry.path).catch((error: Error) => ({ errors: [error] }))
      for (const error of outcome.errors) {
        expect(isFloeError(error), String(error.stack)).toBe(true)
        expect(error.message).toContain(entry.path.split('/').at(-1))
      }
      const codes = outcome.errors.map((e) => (e as { code?: string }).code)
      if (entry.path.includes('/encrypted/')) expect(codes).toEqual(['ENCRYPTED_FILE'])
      if (entry.path.includes('large_string_map')) expect(codes).toEqual(['LIMIT_EXCEEDED'])
    },
  )

  it('gives rows or a typed error for what fuzzers found', async () => {
    const root = 'parquet/fuzz'
    const files = readdirSync(corpusPath(root))
    expect(files.length).toBeGreaterThan(90)
    for (const name of files) {
      const { errors } = await readAll(`${root}/${name}`).catch((error: Error) => ({
        errors: [error],
      }))
      for (const error of errors) {
        expect(isFloeError(error), `${name}: ${error.stack}`).toBe(true)
        expect(error).not.toMatchObject({ code: 'WORKER_FAILED' })
      }
    }
  })

  it('refuses a list that begins in the middle of a row', async () => {
    const bytes = new Uint8Array(
      readFileSync(corpusPath('parquet/parquet-testing/nested_lists.snappy.parquet')),
    )
    for (const at of [506_537_580, 84_486_317]) bytes[4 + (at % (bytes.length - 12))] = 0
    await store.put('memory://changed', bytes)
    const { errors } = await readColumns('memory://changed')
    for (const error of errors) expect(error).toMatchObject({ code: 'CORRUPT_PARQUET' })
    expect(errors.map(({ message }) => message).join()).toContain(
      'goes on with a row that is not there',
    )
  })

  it('gives rows or a typed error for files with changed bytes', async () => {
    const originals = entries
      .map((e) => e.path)
      .filter((p) => p.endsWith('.parquet') && !p.includes('/bad/'))
      .map((p) => [p, new Uint8Array(readFileSync(corpusPath(p)))] as const)
      .filter(([, bytes]) => bytes.length < 60_000)
    const change = fc.record({ at: fc.nat(2 ** 30), value: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(change, { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async ([name, original], changes, inFooter) => {
          const bytes = Uint8Array.from(original)
          const length = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
          const start = inFooter ? bytes.length - 8 - length : 4
          for (const { at, value } of changes) {
            bytes[start + (at % (bytes.length - 8 - start))] = value
          }
          await store.put('memory://changed', bytes)
          const { errors } = await readColumns('memory://changed').catch((error: Error) => ({
            errors: [error],
          }))
          for (const error of errors) {
            expect(isFloeError(error), `${name}: ${error.stack}`).toBe(true)
            expect(error).not.toMatchObject({ kind: 'internal' })
          }
        },
      ),
      { numRuns: Number(process.env['FLOE_FUZZ_RUNS'] ?? 250) },
    )
  }, 120_000)

  it('reads all of it within bounded memory', () => {
    expect(process.resourceUsage().maxRSS).toBeLessThan(900 * 1024)
  })

  it('known-bugs 20: reads INT96 timestamps exactly, also beyond the year 2262', async () => {
    const path = 'parquet/parquet-testing/int96_from_spark.parquet'
    const values = await column(path, primitive(1, 'a', 'timestamptz'))
    expect(values.slice(0, 5)).toEqual([
      1_704_141_296_123_456n,
      1_704_070_800_000_000n,
      253_402_225_200_000_000n,
      1_735_599_600_000_000n,
      null,
    ])
    // The year 290000.
    expect(values[5]).toBe(9_089_380_393_200_000_000n)
  })

  it.each([
    ['int32_decimal', 4, 0],
    ['int64_decimal', 10, 0],
    ['fixed_length_decimal', 25, 0],
    ['fixed_length_decimal_legacy', 13, 0],
    ['byte_array_decimal', 4, 6],
  ])('known-bugs 19: reads the decimals 1.00 to 24.00 of %s', async (name, precision, id) => {
    const type: Type = { kind: 'decimal', precision, scale: 2 }
    const wanted = { id: id || 1, name: 'value', required: false, type }
    const values = await column(`parquet/parquet-testing/${name}.parquet`, wanted)
    expect(values).toEqual(Array.from({ length: 24 }, (_, i) => BigInt(i + 1) * 100n))
  })

  it('reads strings without annotation as the table says, and as bytes', async () => {
    const path = 'parquet/parquet-testing/alltypes_plain.parquet'
    const file = await openFile(pool, await putFile(corpusPath(path)))
    const wanted = [
      primitive(10, 'string_col', 'string'),
      primitive(9, 'date_string_col', 'binary'),
      primitive(11, 'timestamp_col', 'timestamp'),
      primitive(1, 'id', 'long'),
    ]
    const rows = await readFile(file, wanted)
    expect(rows[0]).toEqual(['0', new TextEncoder().encode('03/01/09'), 1_235_865_600_000_000n, 4])
    expect(file.project(wanted).columns.map((c) => c.field.type.kind)).toEqual([
      'string',
      'binary',
      'timestamp',
      'int',
    ])
  })

  it('reads lists in two levels and maps of other names, through a name mapping', async () => {
    const old = await column('parquet/parquet-testing/old_list_structure.parquet', {
      id: 1,
      name: 'a',
      required: false,
      type: list(2, list(3, { kind: 'int' })),
    })
    expect(old).toEqual([
      [
        [1, 2],
        [3, 4],
      ],
    ])
    const impala = await openFile(
      pool,
      await putFile(corpusPath('parquet/parquet-testing/nullable.impala.parquet')),
      {
        nameMapping: parseNameMapping(
          '[{"field-id":7,"names":["int_map","map"],"fields":[{"field-id":8,"names":["key"]},{"field-id":9,"names":["value"]}]},' +
            '{"field-id":1,"names":["id"]}]',
        ),
      },
    )
    const map: NestedField = {
      id: 7,
      name: 'renamed',
      required: false,
      type: {
        kind: 'map',
        keyId: 8,
        key: { kind: 'string' },
        valueId: 9,
        valueRequired: false,
        value: { kind: 'int' },
      },
    }
    const rows = await readFile(impala, [map, primitive(1, 'key', 'long')])
    expect(rows.slice(0, 2)).toEqual([
      [
        new Map([
          ['k1', 1],
          ['k2', 100],
        ]),
        1n,
      ],
      [
        new Map([
          ['k1', 2],
          ['k2', null],
        ]),
        2n,
      ],
    ])
  })

  it('uses no statistics with a NaN', async () => {
    const path = 'parquet/parquet-testing/nan_in_stats.parquet'
    expect(statSync(corpusPath(path)).size).toBe(readFileSync(corpusPath(path)).length)
    const { rows } = await readAll(path)
    expect(rows).toEqual([[1], [Number.NaN]])
  })
})

function primitive(
  id: number,
  name: string,
  kind: 'string' | 'binary' | 'timestamp' | 'timestamptz' | 'long',
): NestedField {
  return { id, name, required: false, type: { kind } }
}

function list(elementId: number, element: Type): Type {
  return { kind: 'list', elementId, elementRequired: false, element }
}

/** A table column for a column of a file, by the file's annotations alone. */
function suggestedField(node: FileNode, ids: { next: number }): NestedField {
  const type = suggestedType(node, ids)
  const repeated = node.element.repetition_type === 2
  return {
    id: ids.next++,
    name: node.element.name,
    required: false,
    type: repeated ? list(ids.next++, type) : type,
  }
}

function suggestedType(node: FileNode, ids: { next: number }): Type {
  const annotation = annotationOf(node.element)
  if (node.children.length === 0) return suggestedPrimitive(node)
  const [child] = node.children as [FileNode]
  if (annotation.LIST !== undefined) {
    const isElement =
      child.children.length !== 1 ||
      child.element.name === 'array' ||
      child.element.name.endsWith('_tuple') ||
      Object.keys(annotationOf(child.element)).length > 0
    const element = isElement ? child : (child.children[0] as FileNode)
    return list(ids.next++, suggestedType(element, ids))
  }
  if (annotation.MAP !== undefined) {
    // Damage may have left it without either.
    const [key, value] = child.children
    return {
      kind: 'map',
      keyId: ids.next++,
      key: key === undefined ? { kind: 'int' } : suggestedType(key, ids),
      valueId: ids.next++,
      valueRequired: false,
      value: value === undefined ? { kind: 'int' } : suggestedType(value, ids),
    }
  }
  return { kind: 'struct', fields: node.children.map((c) => suggestedField(c, ids)) }
}

function suggestedPrimitive(node: FileNode): PrimitiveType {
  const reading = readLeafAs(node.element, { kind: 'boolean' })
  return typeof reading === 'string' ? { kind: 'binary' } : reading.type
}
