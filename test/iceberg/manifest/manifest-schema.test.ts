/** The Avro schemas that are written, against those of other engines, field by field (items 30, 40–44; known-bugs 23). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseJson, parseJsonBytes } from '../../../src/core/json.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import { avroSchemaText } from '../../../src/iceberg/avro/schema-json.ts'
import {
  MANIFEST_ENTRY_RECORD,
  MANIFEST_FILE_RECORD,
  manifestEntryFields,
  manifestFileFields,
  type WriteFormatVersion,
} from '../../../src/iceberg/manifest/manifest-schema.ts'
import {
  type PartitionTupleField,
  partitionFields,
} from '../../../src/iceberg/manifest/partition-fields.ts'
import { partitionSpecFromJson } from '../../../src/iceberg/spec/partition-spec-json.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { schemaFromJson } from '../../../src/iceberg/spec/schema-json.ts'
import type { PrimitiveType } from '../../../src/iceberg/spec/types.ts'
import { corpusPath, describeCorpus } from '../../support/corpus.ts'

interface AvroJson {
  readonly type: string
  readonly name: string
  readonly fields: readonly AvroFieldJson[]
}
interface AvroFieldJson {
  readonly name: string
  readonly type: unknown
  readonly 'field-id': number
  readonly default?: unknown
}

function entrySchema(version: WriteFormatVersion, partition: PartitionTupleField[] = []): AvroJson {
  const text = avroSchemaText(MANIFEST_ENTRY_RECORD, manifestEntryFields(version, partition))
  return parseJson(text, 'schema') as unknown as AvroJson
}

function listSchema(version: WriteFormatVersion): AvroJson {
  const text = avroSchemaText(MANIFEST_FILE_RECORD, manifestFileFields(version))
  return parseJson(text, 'schema') as unknown as AvroJson
}

function field(schema: AvroJson, id: number): AvroFieldJson {
  const found = schema.fields.find((f) => f['field-id'] === id)
  if (found === undefined) throw new Error(`no field ${id}`)
  return found
}

function dataFile(schema: AvroJson): AvroJson {
  return field(schema, 2).type as AvroJson
}

function partitionOf(schema: AvroJson): AvroJson {
  return field(dataFile(schema), 102).type as AvroJson
}

interface Golden {
  readonly path: string
  readonly schema: AvroJson
  readonly container: AvroContainer
}

/** Avro files in the tables of the corpus that Java-based writers made with current versions. */
function goldens(): Golden[] {
  const root = corpusPath('tables')
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.avro'))
    .map((path) => {
      const container = new AvroContainer(readFileSync(join(root, path)), path, DEFAULT_LIMITS)
      const text = container.metadata.get('avro.schema') as Uint8Array
      return { path, container, schema: parseJsonBytes(text, path) as unknown as AvroJson }
    })
    .filter(({ container }) => container.text('iceberg.schema') !== undefined)
}

describeCorpus('manifest schemas against those of other engines', () => {
  const all = goldens()

  it('entries and lists of versions 2 and 3 are equal to those of Java, Spark and Trino', () => {
    let equal = 0
    for (const { schema, container, path } of all) {
      const version = Number(container.text('format-version'))
      if (version !== 2 && version !== 3) continue
      const isCurrent =
        schema.name === 'manifest_entry'
          ? dataFile(schema).fields.some((f) => f['field-id'] === (version === 2 ? 143 : 145))
          : schema.name === 'manifest_file' && schema.fields.some((f) => f['field-id'] === 519)
      if (!isCurrent) continue
      const ours = schema.name === 'manifest_entry' ? entrySchema(version) : listSchema(version)
      // The partition struct is compared below, with the spec that it belongs to.
      expect([path, withoutPartition(ours)]).toEqual([path, withoutPartition(schema)])
      equal++
    }
    expect(equal).toBeGreaterThan(60)
  })

  it('partition structs are equal to those of Java for the same spec and schema (items 43, 44)', () => {
    let equal = 0
    for (const { schema, container, path } of all) {
      if (schema.name !== 'manifest_entry' || container.text('partition-spec') === undefined)
        continue
      const spec = partitionSpecFromJson(
        { 'spec-id': 0, fields: parseJson(container.text('partition-spec') as string, 'spec') },
        path,
      )
      const table = schemaFromJson(parseJson(container.text('schema') as string, 'schema'), path)
      const ours = partitionOf(entrySchema(2, partitionFields(spec, [table])))
      expect([path, ours]).toEqual([path, partitionOf(schema)])
      if (spec.fields.length > 0) equal++
    }
    expect(equal).toBeGreaterThan(20)
  })

  const load = (name: string): AvroJson =>
    JSON.parse(
      readFileSync(corpusPath(`manifests/iceberg-rust/avro_schema_${name}.json`), 'utf8'),
    ) as AvroJson

  /** Fields of old schemas that must not be written any more (item 41), or were renamed (item 30). */
  const OBSOLETE = new Set([105])
  const RENAMED = new Set([504, 505, 506])
  /** Optional in old schemas, required since (item 30). */
  const REQUIRED_SINCE = new Set([503, 504, 505, 506, 512, 513, 514, 515, 516])

  function compare(ours: AvroJson, theirs: AvroJson): void {
    for (const old of theirs.fields) {
      const id = old['field-id']
      if (OBSOLETE.has(id)) continue
      const mine = field(ours, id)
      if (!RENAMED.has(id)) expect(mine.name).toBe(old.name)
      if (REQUIRED_SINCE.has(id))
        expect(['null', mine.type]).toEqual(
          [old.type].flat().length === 2 ? old.type : ['null', old.type],
        )
      else if (id === 2 || id === 102) continue
      else expect(withoutDefaults(mine.type)).toEqual(withoutDefaults(old.type))
    }
  }

  it('the avro_schema_*.json of iceberg-rust have the same names, ids and types', () => {
    compare(listSchema(2), load('manifest_file_v2'))
    compare(listSchema(2), load('manifest_file_v1'))
    compare(entrySchema(2), load('manifest_entry'))
    compare(dataFile(entrySchema(2)), dataFile(load('manifest_entry')))
  })
})

function withoutPartition(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, item: unknown) =>
      key === 'fields' && Array.isArray(item)
        ? item.map((f: AvroFieldJson) => (f['field-id'] === 102 ? { ...f, type: 'PARTITION' } : f))
        : item,
    ),
  )
}

function withoutDefaults(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, item: unknown) => (key === 'default' ? undefined : item)),
  )
}

describe('the schemas that are written', () => {
  it('use the record names that strict readers look for (items 30, 42)', () => {
    const entry = entrySchema(3)
    expect([entry.name, dataFile(entry).name, partitionOf(entry).name]).toEqual([
      'manifest_entry',
      'r2',
      'r102',
    ])
    const [, sizes] = field(dataFile(entry), 108).type as [string, Record<string, unknown>]
    expect(sizes).toMatchObject({ type: 'array', logicalType: 'map', items: { name: 'k117_v118' } })
    const list = listSchema(3)
    const [, summaries] = field(list, 507).type as [string, Record<string, unknown>]
    expect(list.name).toBe('manifest_file')
    expect(summaries).toMatchObject({ type: 'array', 'element-id': 508, items: { name: 'r508' } })
  })

  it('have required fields as plain types and optional ones as nullable unions with default null (30)', () => {
    for (const record of [listSchema(2), listSchema(3), entrySchema(2), dataFile(entrySchema(3))]) {
      for (const f of record.fields) {
        const optional = Array.isArray(f.type)
        expect([f.name, 'default' in f]).toEqual([f.name, optional])
        if (optional) expect(f.default).toBeNull()
      }
    }
  })

  const tuple = (types: readonly PrimitiveType[], names?: readonly string[]): AvroJson => {
    const schema = new Schema({
      schemaId: 0,
      fields: types.map((type, i) => ({ id: i + 1, name: `c${i}`, required: false, type })),
    })
    const spec = {
      specId: 0,
      fields: types.map((_, i) => ({
        sourceIds: [i + 1],
        fieldId: 1000 + i,
        name: names?.[i] ?? `c${i}`,
        transform: { kind: 'identity' } as const,
      })),
    }
    return partitionOf(entrySchema(3, partitionFields(spec, [schema])))
  }

  it('give a named Avro type that is needed again a name of its own, for readers without references', () => {
    const decimal: PrimitiveType = { kind: 'decimal', precision: 9, scale: 2 }
    const fixed: PrimitiveType = { kind: 'fixed', length: 3 }
    const uuid: PrimitiveType = { kind: 'uuid' }
    const record = tuple([uuid, decimal, fixed, uuid, decimal, fixed])
    expect(record.fields.map((f) => (f.type as [string, { name: string }])[1].name)).toEqual([
      'uuid_fixed',
      'decimal_9_2',
      'fixed_3',
      'uuid_fixed_1003',
      'decimal_9_2_1004',
      'fixed_3_1005',
    ])
  })

  it('make names valid and keep the original (item 43)', () => {
    const int: PrimitiveType = { kind: 'int' }
    const record = tuple([int, int, int, int], ['1st', 'a b', 'ü', 'ok'])
    expect(
      record.fields.map((f) => [
        f.name,
        (f as object as Record<string, unknown>)['iceberg-field-name'],
      ]),
    ).toEqual([
      ['_1st', '1st'],
      ['a_x20b', 'a b'],
      ['_xFC', 'ü'],
      ['ok', undefined],
    ])
  })

  it('keep two names apart that become one', () => {
    const int: PrimitiveType = { kind: 'int' }
    expect(tuple([int, int], ['a b', 'a_x20b']).fields.map((f) => f.name)).toEqual([
      'a_x20b',
      'a_x20b_1001',
    ])
  })

  it('write the Avro types of item 44', () => {
    const types: PrimitiveType[] = [
      { kind: 'date' },
      { kind: 'time' },
      { kind: 'timestamp' },
      { kind: 'timestamptz' },
      { kind: 'timestamp_ns' },
      { kind: 'timestamptz_ns' },
      { kind: 'fixed', length: 3 },
      { kind: 'decimal', precision: 38, scale: 0 },
      { kind: 'binary' },
    ]
    expect(tuple(types).fields.map((f) => (f.type as unknown[])[1])).toEqual([
      { type: 'int', logicalType: 'date' },
      { type: 'long', logicalType: 'time-micros' },
      { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false },
      { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true },
      { type: 'long', logicalType: 'timestamp-nanos', 'adjust-to-utc': false },
      { type: 'long', logicalType: 'timestamp-nanos', 'adjust-to-utc': true },
      { type: 'fixed', name: 'fixed_3', size: 3 },
      {
        type: 'fixed',
        name: 'decimal_38_0',
        size: 16,
        logicalType: 'decimal',
        precision: 38,
        scale: 0,
      },
      'bytes',
    ])
  })
})
