import type { RecordBatch } from 'apache-arrow'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { PartitionSplitter } from '../../../src/iceberg/columns/partition-split.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import { takeRows } from '../../../src/iceberg/columns/take.ts'
import type { PartitionSpec } from '../../../src/iceberg/spec/partition-spec.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { Transform } from '../../../src/iceberg/spec/transform.ts'
import {
  applyTransform,
  canTransform,
  transformResultType,
} from '../../../src/iceberg/spec/transforms.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'
import type { StructValue, Value } from '../../../src/iceberg/spec/value.ts'
import { partitionKey } from '../../../src/iceberg/spec/value-compare.ts'
import { nullable, primitiveType, rowForms, structArbitrary } from './arbitraries.ts'
import { readRows } from './read-raw.ts'

beforeAll(async () => {
  await loadArrow()
})

const of = (kind: string): Type => ({ kind }) as Type

function batchOf(schema: Schema, rows: readonly StructValue[]): RecordBatch {
  const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
  for (const row of rows)
    builder.append(rowForms({ kind: 'struct', fields: schema.fields }, row)[0])
  return builder.finish()
}

function specOf(...fields: [number, Transform][]): PartitionSpec {
  return {
    specId: 1,
    fields: fields.map(([id, transform], i) => ({
      sourceIds: [id],
      fieldId: 1000 + i,
      name: `p${i}`,
      transform,
    })),
  }
}

const TRANSFORMS: readonly Transform[] = [
  { kind: 'identity' },
  { kind: 'void' },
  { kind: 'year' },
  { kind: 'month' },
  { kind: 'day' },
  { kind: 'hour' },
  { kind: 'bucket', numBuckets: 1 },
  { kind: 'bucket', numBuckets: 16 },
  { kind: 'truncate', width: 1 },
  { kind: 'truncate', width: 3 },
  { kind: 'truncate', width: 1000 },
]

/** What a spec says of a row, or undefined where there is no result that its type holds. */
function tupleOf(schema: Schema, spec: PartitionSpec, row: StructValue): Value[] | undefined {
  try {
    return spec.fields.map((field) => {
      const entry = schema.findById(field.sourceIds[0] as number)
      let value: Value = row
      for (const name of entry?.path ?? []) {
        value = value === null ? null : ((value as StructValue)[name] as Value)
      }
      const type = entry?.field.type as PrimitiveType
      const result = applyTransform(field.transform, type, value)
      if (transformResultType(field.transform, type).kind === 'int') {
        expect(result === null || (result as number) === ((result as number) | 0)).toBe(true)
      }
      return result
    })
  } catch {
    return undefined
  }
}

function check(
  schema: Schema,
  spec: PartitionSpec,
  rows: readonly StructValue[],
  batch: RecordBatch,
): void {
  const expected = new Map<string, { values: Value[]; indices: number[] }>()
  rows.forEach((row, i) => {
    const values = tupleOf(schema, spec, row) as Value[]
    const key = partitionKey(values)
    const group = expected.get(key) ?? { values, indices: [] }
    expected.set(key, group)
    group.indices.push(i)
  })
  const groups = new PartitionSplitter(schema, spec).groups(batch)
  expect(groups.map((g) => g.key)).toEqual([...expected.keys()])
  const all = readRows(batch, schema.fields)
  for (const group of groups) {
    const { values, indices } = expected.get(group.key) as { values: Value[]; indices: number[] }
    expect(group.values).toEqual(values)
    expect([...group.indices]).toEqual(indices)
    const rows = takeRows(batch, group.indices)
    expect(readRows(rows, schema.fields)).toEqual(indices.map((i) => all[i]))
  }
}

describe('splitting batches by partition (items 63, 104–107)', () => {
  it('agrees with applyTransform for every type and transform, row by row', () => {
    fc.assert(
      fc.property(
        primitiveType.chain((type) =>
          fc.tuple(
            fc.constant(type),
            fc.constantFrom(...TRANSFORMS.filter((t) => canTransform(t, type))),
            fc.array(nullable(type, false), { minLength: 1, maxLength: 40 }),
          ),
        ),
        ([type, transform, values]) => {
          const schema = new Schema({
            schemaId: 0,
            fields: [{ id: 1, name: 'c', required: false, type }],
          })
          const spec = specOf([1, transform])
          // Doubled, so that values repeat.
          const rows = [...values, ...values].map((c) => ({ c }))
          fc.pre(rows.every((row) => tupleOf(schema, spec, row) !== undefined))
          check(schema, spec, rows, batchOf(schema, rows))
        },
      ),
      { numRuns: 600 },
    )
  })

  it('splits by several fields, nested sources and slices', () => {
    const fields: NestedField[] = [
      { id: 1, name: 'day', required: false, type: of('timestamptz') },
      { id: 2, name: 'name', required: true, type: of('string') },
      {
        id: 3,
        name: 's',
        required: false,
        type: { kind: 'struct', fields: [{ id: 4, name: 'n', required: false, type: of('int') }] },
      },
    ]
    const schema = new Schema({ schemaId: 0, fields })
    const spec = specOf(
      [4, { kind: 'bucket', numBuckets: 3 }],
      [1, { kind: 'year' }],
      [2, { kind: 'truncate', width: 1 }],
    )
    fc.assert(
      fc.property(
        fc.array(structArbitrary(fields), { minLength: 1, maxLength: 60 }),
        fc.nat(59),
        (rows, from) => {
          const start = Math.min(from, rows.length - 1)
          check(schema, spec, rows.slice(start), batchOf(schema, rows).slice(start))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('takes −0.0 and 0.0 for two partitions and all NaNs for one (item 61)', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'c', required: false, type: of('double') }],
    })
    const rows = [0, -0, Number.NaN, -Number.NaN, 0].map((c) => ({ c }))
    const groups = new PartitionSplitter(schema, specOf([1, { kind: 'identity' }])).groups(
      batchOf(schema, rows),
    )
    expect(groups.map((g) => [...g.indices])).toEqual([[0, 4], [1], [2, 3]])
  })

  it('has one group where all rows are of one partition, none where there are no rows', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'c', required: false, type: of('date') }],
    })
    const batch = batchOf(schema, [{ c: 1 }, { c: 2 }])
    for (const spec of [specOf(), specOf([1, { kind: 'year' }])]) {
      const groups = new PartitionSplitter(schema, spec).groups(batch)
      expect(groups.map(({ indices }) => [...indices])).toEqual([[0, 1]])
    }
    expect(new PartitionSplitter(schema, specOf()).groups(batch.slice(0, 0))).toEqual([])
  })

  it('matches the vectors of the specification (item 104)', () => {
    const bucket = (type: Type, value: unknown): number => {
      const schema = new Schema({
        schemaId: 0,
        fields: [{ id: 1, name: 'c', required: false, type }],
      })
      const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
      builder.append({ c: value })
      const spec = specOf([1, { kind: 'bucket', numBuckets: 2 ** 31 - 1 }])
      return new PartitionSplitter(schema, spec).groups(builder.finish())[0]?.values[0] as number
    }
    const positive = (hash: number): number => (hash & 0x7fffffff) % (2 ** 31 - 1)
    expect(bucket(of('int'), 34)).toBe(positive(2_017_239_379))
    expect(bucket(of('long'), 34n)).toBe(positive(2_017_239_379))
    expect(bucket({ kind: 'decimal', precision: 9, scale: 2 }, '14.20')).toBe(
      positive(-500_754_589),
    )
    expect(bucket(of('date'), '2017-11-16')).toBe(positive(-653_330_422))
    expect(bucket(of('time'), '22:31:08')).toBe(positive(-662_762_989))
    expect(bucket(of('timestamp'), '2017-11-16T22:31:08')).toBe(positive(-2_047_944_441))
    expect(bucket(of('timestamp_ns'), '2017-11-16T22:31:08.000001001')).toBe(
      positive(-1_207_196_810),
    )
    expect(bucket(of('string'), 'iceberg')).toBe(positive(1_210_000_089))
    expect(bucket(of('uuid'), 'f79c3e09-677c-4bbd-a479-3f349cb785e7')).toBe(positive(1_488_055_340))
    expect(bucket(of('binary'), Uint8Array.of(0, 1, 2, 3))).toBe(positive(-188_683_207))
  })

  it('refuses truncation that would leave the type (item 105)', () => {
    for (const [type, least] of [
      [of('int'), -(2 ** 31)],
      [of('long'), -(2n ** 63n)],
    ] as const) {
      const schema = new Schema({
        schemaId: 0,
        fields: [{ id: 1, name: 'c', required: false, type }],
      })
      const splitter = new PartitionSplitter(schema, specOf([1, { kind: 'truncate', width: 1000 }]))
      expect(() => splitter.groups(batchOf(schema, [{ c: least }]))).toThrow('VALUE_OUT_OF_RANGE')
    }
  })

  it('refuses hours that are no 32-bit integers', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'c', required: false, type: of('timestamp') }],
    })
    const splitter = new PartitionSplitter(schema, specOf([1, { kind: 'hour' }]))
    for (const c of [2n ** 63n - 1n, -(2n ** 63n)]) {
      expect(() => splitter.groups(batchOf(schema, [{ c }]))).toThrow('is no 32-bit integer')
    }
  })

  it('refuses specs that cannot be written', () => {
    const list: Type = { kind: 'list', elementId: 2, elementRequired: false, element: of('int') }
    const schema = new Schema({
      schemaId: 0,
      fields: [
        { id: 1, name: 'l', required: false, type: list },
        { id: 3, name: 'd', required: false, type: of('double') },
      ],
    })
    const message = (...fields: [number, Transform][]): string => {
      try {
        new PartitionSplitter(schema, specOf(...fields))
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(message([3, { kind: 'unknown', text: 'zorder' }])).toContain(
      'its transform "zorder" of 1 columns is not known',
    )
    expect(message([3, { kind: 'bucket', numBuckets: 4 }])).toBe(
      'Cannot write rows under partition field "p0": bucket cannot be taken of column d. ' +
        'Change the partition spec first [BAD_PARTITION_SPEC]',
    )
    expect(message([2, { kind: 'identity' }])).toContain(
      'identity cannot be taken of column l.element',
    )
    expect(message([9, { kind: 'identity' }])).toContain(
      'column with field id 9, which is not there',
    )
  })
})
