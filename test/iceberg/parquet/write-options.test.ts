/** Table properties of writing, and the choice of columns without a dictionary. iceberg-writer.md items 25, 73. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { VERSION } from '../../../src/core/version.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { columnsWithoutDictionary } from '../../../src/iceberg/parquet/dictionary-choice.ts'
import { parquetWriteOptions } from '../../../src/iceberg/parquet/write-options.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { PrimitiveType } from '../../../src/iceberg/spec/types.ts'
import { batchOf } from './support.ts'

beforeAll(loadArrow)

describe('write.parquet properties', () => {
  it('default to zstd and to row groups that fit into memory several times', () => {
    const options = parquetWriteOptions({})
    expect(options).toMatchObject({ codec: 'zstd', pageBytes: 2 ** 20, dictionaryBytes: 2 ** 21 })
    expect(options.rowGroupBytes).toBeLessThanOrEqual(32 * 2 ** 20)
  })

  it.each([
    ['ZSTD', 'zstd'],
    ['snappy', 'snappy'],
    ['Gzip', 'gzip'],
    ['brotli', 'brotli'],
    ['lz4', 'lz4_raw'],
    ['lz4_raw', 'lz4_raw'],
    ['uncompressed', 'uncompressed'],
    ['none', 'uncompressed'],
  ])('item 73: take the codec %s', (given, codec) => {
    expect(parquetWriteOptions({ 'write.parquet.compression-codec': given }).codec).toBe(codec)
  })

  it('refuse what the encoder cannot do and what makes no sense', () => {
    const codec = { 'write.parquet.compression-codec': 'lzo' }
    expect(() => parquetWriteOptions(codec)).toThrow(/"lzo".*zstd, snappy.*UNSUPPORTED_CODEC/)
    for (const bad of ['0', '-1', '1e6', '', '12345678901234567890']) {
      const size = { 'write.parquet.page-size-bytes': bad }
      expect(() => parquetWriteOptions(size)).toThrow(/page-size-bytes.*BAD_ARGUMENT/)
    }
  })

  it('name the columns without statistics', () => {
    const options = parquetWriteOptions({
      'write.parquet.stats-enabled.column.body': 'False',
      'write.parquet.stats-enabled.column.point.x': 'false',
      'write.parquet.stats-enabled.column.id': 'true',
    })
    expect([...options.withoutStatistics]).toEqual(['body', 'point.x'])
    expect(() => parquetWriteOptions({ 'write.parquet.stats-enabled.column.body': 'no' })).toThrow(
      /stats-enabled.column.body is "no" but must be true or false.*BAD_ARGUMENT/,
    )
  })

  it('make row groups smaller, and never larger than memory allows', () => {
    const bytes = (text: string): number =>
      parquetWriteOptions({ 'write.parquet.row-group-size-bytes': text }).rowGroupBytes
    expect(bytes('1000000')).toBe(1_000_000)
    expect(bytes('134217728')).toBe(parquetWriteOptions({}).rowGroupBytes)
    expect(parquetWriteOptions({ 'write.parquet.page-size-bytes': '65536' }).pageBytes).toBe(65_536)
    expect(parquetWriteOptions({ 'write.parquet.dict-size-bytes': '65536' }).dictionaryBytes).toBe(
      65_536,
    )
  })
})

describe('dictionaries', () => {
  async function withoutDictionary(
    type: PrimitiveType['kind'],
    value: (n: number) => unknown,
    rows = 20_000,
  ): Promise<boolean> {
    const field = { id: 1, name: 'x', required: false, type: { kind: type } as PrimitiveType }
    const schema = new Schema({ schemaId: 0, fields: [field] })
    const all = Array.from({ length: rows }, (_, n) => ({ x: value(n) }))
    return columnsWithoutDictionary(await batchOf(schema, all)).includes('x')
  }

  it.each<[string, PrimitiveType['kind'], (n: number) => unknown, boolean]>([
    ['keys', 'long', (n) => BigInt(n), true],
    ['keys with nulls between', 'long', (n) => (n % 3 ? BigInt(n) : null), true],
    ['measures', 'double', (n) => Math.sin(n), true],
    [
      'long texts that differ at the end',
      'string',
      (n) => `${'https://example.org/'.repeat(9)}${n}`,
      true,
    ],
    [
      'long texts that differ in the middle',
      'string',
      (n) => `${'a'.repeat(50)}${n % 9}${'b'.repeat(50)}`,
      false,
    ],
    ['few values', 'string', (n) => `v${n % 100}`, false],
    ['few values, sorted', 'int', (n) => Math.floor(n / 4), false],
    ['a value that is everywhere', 'int', () => 7, false],
    ['nothing', 'int', () => null, true],
    ['truths', 'boolean', (n) => n % 2 === 0, false],
  ])('%# are left out where they do not pay: %s', async (_, type, value, expected) => {
    expect(await withoutDictionary(type, value)).toBe(expected)
  })

  it('are chosen for a handful of rows as well', async () => {
    expect(await withoutDictionary('long', (n) => BigInt(n), 1)).toBe(true)
    expect(await withoutDictionary('long', () => 1n, 3)).toBe(false)
    expect(await withoutDictionary('long', (n) => BigInt(n), 0)).toBe(false)
  })
})

it('files carry the version of the package', () => {
  const file = new URL('../../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  expect(VERSION).toBe(version)
})
