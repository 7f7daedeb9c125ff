/** What stands in the files that floe writes, byte by byte. iceberg-writer.md items 55, 56, 64-73. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseJson } from '../../../src/core/json.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { parseWholeFile } from '../../../src/iceberg/parquet/footer.ts'
import { scanPages } from '../../../src/iceberg/parquet/page-headers.ts'
import { parseOffsetIndex } from '../../../src/iceberg/parquet/page-index.ts'
import {
  COLUMN_INDEX,
  Codec,
  type ColumnIndex,
  type ColumnMetaData,
  type FileMetaData,
  PAGE_HEADER,
  type PageHeader,
  PageType,
} from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { readThrift } from '../../../src/iceberg/parquet/thrift.ts'
import type { ParquetFileResult } from '../../../src/iceberg/parquet/writer.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { schemaFromJson } from '../../../src/iceberg/spec/schema-json.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import { batchOf, openFile, openPool, readFile, store, writeFile } from './support.ts'

const pool = openPool()
afterAll(() => pool.close())

let id = 0
function field(name: string, type: Type['kind'] | Type, required = false): NestedField {
  const full = typeof type === 'string' ? ({ kind: type } as Type) : type
  return { id: ++id, name, required, type: full }
}
const schema = new Schema({
  schemaId: 7,
  fields: [
    field('n', 'int', true),
    field('d', 'double'),
    field('s', 'string'),
    field('u', 'uuid'),
    field('g', 'geometry'),
    field('tags', {
      kind: 'list',
      elementId: ++id,
      elementRequired: false,
      element: { kind: 'string' },
    }),
    field('props', {
      kind: 'map',
      keyId: ++id,
      key: { kind: 'string' },
      valueId: ++id,
      valueRequired: false,
      value: { kind: 'long' },
    }),
    field('none', 'unknown'),
  ],
})
const point = Uint8Array.from([1, 1, 0, 0, 0, ...new Uint8Array(16)])
const rows = Array.from({ length: 1000 }, (_, n) => ({
  n,
  d: n % 10 === 0 ? Number.NaN : n % 10 === 1 ? null : n === 2 ? -0 : n,
  s: n % 3 === 0 ? null : `text ${n % 7} ${'long '.repeat(40)}`,
  u: '00000000-0000-4000-8000-000000000001',
  g: point,
  tags: n % 4 === 0 ? null : ['a', null],
  props: new Map([['k', BigInt(n)]]),
}))

let bytes: Uint8Array
let metadata: FileMetaData
let footerOffset: number
let result: ParquetFileResult

beforeAll(async () => {
  const path = 'memory://written/x.parquet'
  const batch = await batchOf(schema, rows)
  result = await writeFile(pool, path, schema, [batch], { options: { rowGroupRows: 400 } })
  bytes = await store.get(path)
  const footer = parseWholeFile(bytes, path, DEFAULT_LIMITS)
  metadata = footer.metadata
  footerOffset = footer.offset
})

function chunks(): { group: number; column: number; meta: ColumnMetaData }[] {
  return metadata.row_groups.flatMap((g, group) =>
    g.columns.map((c, column) => ({ group, column, meta: c.meta_data as ColumnMetaData })),
  )
}

const firstPage = (m: ColumnMetaData): number => m.dictionary_page_offset ?? m.data_page_offset

describe('a file that floe writes', () => {
  it('names itself, its schema and the order of its bounds (items 65, 67)', () => {
    expect(metadata.version).toBe(1)
    expect(metadata.created_by).toMatch(/^floe version \d+\.\d+\.\d+$/)
    expect(metadata.num_rows).toBe(1000)
    expect(metadata.key_value_metadata?.map((kv) => kv.key)).toEqual(['iceberg.schema'])
    const json = parseJson(metadata.key_value_metadata?.[0]?.value as string, 'the key')
    expect(schemaFromJson(json, 'the key').fields).toEqual(schema.fields)
    expect(metadata.column_orders).toEqual(
      chunks()
        .slice(0, 8)
        .map(() => ({ TYPE_ORDER: {} })),
    )
    const uuid = metadata.schema.find((e) => e.name === 'u')
    expect(uuid).toMatchObject({ type_length: 16, logicalType: { UUID: {} }, field_id: 4 })
    expect(metadata.schema.map((e) => e.name)).toContain('key_value')
    expect(metadata.schema.map((e) => e.name)).not.toContain('none')
  })

  it('has ordered, gapless row groups with ordinals, sizes and offsets (items 55, 56)', () => {
    expect(metadata.row_groups.map((g) => [g.num_rows, g.ordinal])).toEqual([
      [400, 0],
      [400, 1],
      [200, 2],
    ])
    let position = 4
    for (const group of metadata.row_groups) {
      expect(group.file_offset).toBe(position)
      let compressed = 0
      for (const { meta_data: meta } of group.columns) {
        expect(firstPage(meta as ColumnMetaData)).toBe(position)
        position += meta?.total_compressed_size as number
        compressed += meta?.total_compressed_size as number
      }
      expect(group.total_compressed_size).toBe(compressed)
    }
    expect(result.splitOffsets).toEqual(metadata.row_groups.map((g) => g.file_offset))
    expect(result.sizeBytes).toBe(bytes.length)
    const total = [...result.columnSizes.values()].reduce((a, b) => a + b, 0)
    expect(total).toBe(position - 4)
    expect([...result.columnSizes.keys()]).toEqual([1, 2, 3, 4, 5, 6, 8, 9])
  })

  it('writes zstd in pages of version 1 with encodings that every reader knows (item 73)', () => {
    for (const { meta } of chunks()) {
      expect(meta.codec).toBe(Codec.ZSTD)
      // PLAIN, RLE, RLE_DICTIONARY.
      expect([0, 3, 8]).toEqual(expect.arrayContaining([...meta.encodings]))
      expect(meta.path_in_schema.join('.')).not.toMatch(/entries/)
      const chunk = bytes.subarray(firstPage(meta), firstPage(meta) + meta.total_compressed_size)
      const where = { file: 'x', column: 'c' }
      expect(scanPages(chunk, meta.num_values, where).uncompressedBytes).toBe(
        meta.total_uncompressed_size,
      )
    }
  })

  it('has statistics of the right order, without NaN, with counts (item 67)', () => {
    const stats = (group: number, column: number) =>
      metadata.row_groups[group]?.columns[column]?.meta_data?.statistics
    const double = (b: Uint8Array | undefined): number =>
      new DataView(Uint8Array.from(b as Uint8Array).buffer).getFloat64(0, true)
    expect(stats(0, 1)).toMatchObject({ null_count: 40, nan_count: 40 })
    expect(double(stats(0, 1)?.min_value)).toBe(-0)
    expect(double(stats(0, 1)?.max_value)).toBe(399)
    expect(stats(2, 0)).toMatchObject({ null_count: 0 })
    expect(stats(2, 0)?.min_value).toEqual(Uint8Array.of(0x20, 0x03, 0, 0))
    // Long texts are cut, and say so.
    expect(stats(0, 2)?.max_value?.length).toBeLessThanOrEqual(64)
    expect(stats(0, 2)).toMatchObject({ is_max_value_exact: false, null_count: 134 })
    expect(stats(0, 3)?.min_value?.length).toBe(16)
    // The order of geometries is undefined.
    expect(stats(0, 4)).toEqual({ null_count: 0 })
  })

  it('has neither statistics nor bounds of pages for columns that shall have none', async () => {
    const path = 'memory://written/bare.parquet'
    const properties = {
      'write.parquet.stats-enabled.column.s': 'false',
      'write.parquet.stats-enabled.column.props.value': 'false',
    }
    const batch = await batchOf(schema, rows)
    const bare = await writeFile(pool, path, schema, [batch], { properties })
    const footer = parseWholeFile(await store.get(path), path, DEFAULT_LIMITS)
    const [group] = footer.metadata.row_groups
    const without = group?.columns
      .filter((c) => c.meta_data?.statistics === undefined)
      .map((c) => c.meta_data?.path_in_schema.join('.'))
    expect(without).toEqual(['s', 'props.key_value.value'])
    const unindexed = group?.columns
      .filter((c) => c.column_index_offset === undefined)
      .map((c) => c.meta_data?.path_in_schema[0])
    expect(unindexed).toEqual(['s', 'g', 'props'])
    expect(group?.columns.every((c) => c.offset_index_offset !== undefined)).toBe(true)
    // The table's own metrics are another matter.
    expect(bare.metrics).toEqual(result.metrics)
    const stored = schema.fields.filter((f) => f.name !== 'none')
    const [with_, without_] = await Promise.all(
      ['memory://written/x.parquet', path].map(async (p) =>
        readFile(await openFile(pool, p), stored),
      ),
    )
    expect(without_).toEqual(with_)
  })

  it('has page indexes that point at its pages', () => {
    let lastIndexEnd = 0
    for (const { group, column, meta } of chunks()) {
      const chunk = metadata.row_groups[group]?.columns[column]
      const offset = chunk?.offset_index_offset as number
      const index = parseOffsetIndex(
        bytes.subarray(offset, offset + (chunk?.offset_index_length as number)),
        'x',
      )
      let rowsBefore = -1
      for (const page of index.page_locations) {
        const { value, end } = readThrift<PageHeader>(PAGE_HEADER, bytes, 'x', page.offset)
        expect(value.type).toBe(PageType.DATA_PAGE)
        expect(end - page.offset + value.compressed_page_size).toBe(page.compressed_page_size)
        expect(page.first_row_index).toBeGreaterThan(rowsBefore)
        rowsBefore = page.first_row_index
      }
      expect(index.page_locations[0]?.offset).toBe(meta.data_page_offset)
      lastIndexEnd = Math.max(lastIndexEnd, offset + (chunk?.offset_index_length as number))
      if (column === 4) {
        expect(chunk?.column_index_offset).toBeUndefined()
        continue
      }
      const at = chunk?.column_index_offset as number
      const bounds = readThrift<ColumnIndex>(COLUMN_INDEX, bytes, 'x', at)
      expect(bounds.end - at).toBe(chunk?.column_index_length)
      expect(bounds.value.null_pages.length).toBe(index.page_locations.length)
    }
    expect(lastIndexEnd).toBe(footerOffset)
  })

  it('gives metrics from the values, not from the file (items 98, 99)', () => {
    const { metrics } = result
    expect(metrics.valueCounts.get(1)).toBe(1000)
    expect(metrics.nanValueCounts.get(2)).toBe(100)
    expect(metrics.nullValueCounts.get(2)).toBe(100)
    expect(Buffer.from(metrics.lowerBounds.get(3) as Uint8Array).toString()).toBe(
      'text 0 long long',
    )
    expect(Buffer.from(metrics.upperBounds.get(3) as Uint8Array).toString()).toBe(
      'text 6 long lonh',
    )
    // Elements of lists are counted, and have no bounds (item 102).
    expect(metrics.valueCounts.get(6)).toBe(1500)
    expect(metrics.lowerBounds.has(6)).toBe(false)
  })
})

describe('writing', () => {
  const one = new Schema({ schemaId: 0, fields: [field('x', 'long', true)] })

  it('refuses nulls in required columns (item 69) and other columns, before anything is written', async () => {
    const optional = new Schema({
      schemaId: 0,
      fields: one.fields.map((f) => ({ ...f, required: false })),
    })
    const path = 'memory://written/refused.parquet'
    const nulls = writeFile(pool, path, one, [await batchOf(optional, [{ x: null }])])
    await expect(nulls).rejects.toMatchObject({
      code: 'NULL_IN_REQUIRED',
      context: { column: 'x' },
    })
    const other = new Schema({ schemaId: 0, fields: [field('x', 'int', true)] })
    const wrong = writeFile(pool, path, one, [await batchOf(other, [{ x: 1 }])])
    await expect(wrong).rejects.toMatchObject({ code: 'TYPE_MISMATCH' })
    const more = new Schema({ schemaId: 0, fields: [...one.fields, field('y', 'int')] })
    const extra = writeFile(pool, path, one, [await batchOf(more, [{ x: 1n, y: 1 }])])
    await expect(extra).rejects.toMatchObject({ code: 'TYPE_MISMATCH' })
    expect(await store.stat(path)).toBeNull()
  })

  it('refuses nulls in required nested fields', async () => {
    const nested = (required: boolean): Schema =>
      new Schema({
        schemaId: 0,
        fields: [
          {
            id: 1,
            name: 's',
            required: false,
            type: {
              kind: 'struct',
              fields: [{ id: 2, name: 'x', required, type: { kind: 'int' } }],
            },
          },
        ],
      })
    const bad = await batchOf(nested(false), [{ s: { x: null } }])
    const act = writeFile(pool, 'memory://written/nested.parquet', nested(true), [bad])
    await expect(act).rejects.toMatchObject({ kind: 'invalid-argument' })
    // Below a null struct nothing is missing.
    const good = await batchOf(nested(false), [{ s: null }])
    const written = await writeFile(pool, 'memory://written/nested.parquet', nested(true), [good])
    expect(written.recordCount).toBe(1)
  })

  it('stores decimals of one digit in 32 bits (known-bugs 19)', async () => {
    const decimal = new Schema({
      schemaId: 0,
      fields: [field('x', { kind: 'decimal', precision: 1, scale: 1 })],
    })
    const path = 'memory://written/decimal.parquet'
    await writeFile(pool, path, decimal, [await batchOf(decimal, [{ x: '0.9' }, { x: '-0.9' }])])
    const file = parseWholeFile(await store.get(path), path, DEFAULT_LIMITS).metadata
    expect(file.schema[1]).toMatchObject({ type: 1, precision: 1, scale: 1 })
    expect(file.row_groups[0]?.columns[0]?.meta_data?.type).toBe(1)
  })

  it('leaves a column without a dictionary where values do not repeat', async () => {
    const two = new Schema({
      schemaId: 0,
      fields: [field('unique', 'long'), field('few', 'string')],
    })
    const batch = await batchOf(
      two,
      Array.from({ length: 5000 }, (_, n) => ({ unique: BigInt(n) * 7919n, few: `v${n % 9}` })),
    )
    const path = 'memory://written/dictionary.parquet'
    await writeFile(pool, path, two, [batch])
    const file = parseWholeFile(await store.get(path), path, DEFAULT_LIMITS).metadata
    const encodings = file.row_groups[0]?.columns.map((c) => c.meta_data?.encodings)
    expect(encodings?.[0]).not.toContain(8)
    expect(encodings?.[1]).toContain(8)
  })

  it('gives the same metrics whether rows are few (analysed in place) or many (in the worker)', async () => {
    const path = 'memory://written/many.parquet'
    const many = Array.from({ length: 40 }, () => rows).flat()
    const batch = await batchOf(schema, many)
    const once = await writeFile(pool, path, schema, [batch])
    const pieces = Array.from({ length: 40 }, (_, i) => batch.slice(i * 1000, (i + 1) * 1000))
    const small = await writeFile(pool, path, schema, pieces, { options: { rowGroupRows: 1000 } })
    expect(once.splitOffsets.length).toBe(1)
    expect(small.splitOffsets.length).toBe(40)
    expect(small.metrics).toEqual(once.metrics)
  })
})
