import type { RecordBatch } from 'apache-arrow'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { FloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { type ColumnMetrics, finishMetrics } from '../../../src/iceberg/columns/finish-metrics.ts'
import {
  emptyMetrics,
  type LeafMetrics,
  mergeMetrics,
  meterBatch,
} from '../../../src/iceberg/columns/metrics.ts'
import {
  type MetricsModes,
  resolveMetricsModes,
} from '../../../src/iceberg/columns/metrics-mode.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { UNSORTED } from '../../../src/iceberg/spec/sort-order.ts'
import {
  isPrimitive,
  type NestedField,
  type PrimitiveType,
  type Type,
} from '../../../src/iceberg/spec/types.ts'
import type { PrimitiveValue, StructValue, Value } from '../../../src/iceberg/spec/value.ts'
import { valueFromBytes } from '../../../src/iceberg/spec/value-binary.ts'
import { comparatorOf } from '../../../src/iceberg/spec/value-compare.ts'
import { rowForms, schemaArbitrary, structArbitrary } from './arbitraries.ts'

beforeAll(async () => {
  await loadArrow()
})

const of = (kind: string): Type => ({ kind }) as Type

function batchOf(schema: Schema, rows: readonly unknown[]): RecordBatch {
  const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
  for (const row of rows) builder.append(row)
  return builder.finish()
}

function given(schema: Schema, row: StructValue): unknown {
  return rowForms({ kind: 'struct', fields: schema.fields }, row)[0]
}

function measure(
  schema: Schema,
  batches: readonly RecordBatch[],
  modes: MetricsModes,
): ColumnMetrics {
  const metrics = emptyMetrics()
  for (const batch of batches) meterBatch(metrics, batch, modes)
  return finishMetrics(metrics, schema, modes)
}

function modesOf(schema: Schema, properties: Record<string, string> = {}): MetricsModes {
  return resolveMetricsModes(schema, properties, UNSORTED)
}

/** Metrics of one column of values, in the default mode unless said otherwise. */
function metricsOf(type: Type, values: readonly unknown[], mode = 'truncate(16)'): ColumnMetrics {
  const schema = new Schema({ schemaId: 0, fields: [{ id: 1, name: 'c', required: false, type }] })
  const batch = batchOf(
    schema,
    values.map((c) => ({ c })),
  )
  return measure(schema, [batch], modesOf(schema, { 'write.metadata.metrics.default': mode }))
}

function bounds(
  type: PrimitiveType,
  values: readonly unknown[],
  mode?: string,
): (PrimitiveValue | undefined)[] {
  const metrics = metricsOf(type, values, mode)
  return [metrics.lowerBounds.get(1), metrics.upperBounds.get(1)].map((b) =>
    b === undefined ? undefined : valueFromBytes(type, b),
  )
}

/** Every value of every leaf, by field id, as a plain walk over the rows sees them. */
function walk(
  fields: readonly NestedField[],
  rows: readonly (StructValue | null)[],
): Map<number, Value[]> {
  const found = new Map<number, Value[]>()
  const visit = (type: Type, id: number, value: Value): void => {
    switch (type.kind) {
      case 'struct':
        for (const f of type.fields)
          visit(f.type, f.id, value === null ? null : ((value as StructValue)[f.name] as Value))
        return
      case 'list':
        for (const item of (value ?? []) as Value[]) visit(type.element, type.elementId, item)
        return
      case 'map':
        for (const [k, v] of (value ?? new Map()) as Map<Value, Value>) {
          visit(type.key, type.keyId, k)
          visit(type.value, type.valueId, v)
        }
        return
      default: {
        const values = found.get(id) ?? []
        found.set(id, values)
        values.push(value)
      }
    }
  }
  for (const row of rows)
    for (const f of fields) visit(f.type, f.id, row === null ? null : (row[f.name] as Value))
  return found
}

describe('metrics from values (items 98–102; known-bugs 17, 18, 19)', () => {
  it('counts exactly and bounds contain every value, for random data of all types', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(fc.array(structArbitrary(schema.fields), { maxLength: 12 }), {
              minLength: 1,
              maxLength: 3,
            }),
            fc.constantFrom('truncate(1)', 'truncate(3)', 'truncate(16)', 'full', 'counts'),
          ),
        ),
        ([schema, groups, mode]) => {
          const modes = modesOf(schema, { 'write.metadata.metrics.default': mode })
          const batches = groups.map((rows) =>
            batchOf(
              schema,
              rows.map((r) => given(schema, r)),
            ),
          )
          const metrics = measure(schema, batches, modes)
          const values = walk(schema.fields, groups.flat())
          for (const { field, repeated } of schema.entries()) {
            const { type, id } = field
            if (!isPrimitive(type)) continue
            const all = values.get(id) ?? []
            const present = all.filter((v) => v !== null) as PrimitiveValue[]
            expect(metrics.valueCounts.get(id)).toBe(all.length)
            expect(metrics.nullValueCounts.get(id)).toBe(all.length - present.length)
            const nans = present.filter((v) => Number.isNaN(v))
            if (type.kind === 'float' || type.kind === 'double') {
              expect(metrics.nanValueCounts.get(id)).toBe(nans.length)
            } else expect(metrics.nanValueCounts.has(id)).toBe(false)
            const ordered = present.filter((v) => !Number.isNaN(v)).sort(comparatorOf(type))
            const lower = metrics.lowerBounds.get(id)
            const upper = metrics.upperBounds.get(id)
            if (ordered.length === 0 || repeated || mode === 'counts') {
              expect([lower, upper]).toEqual([undefined, undefined])
              continue
            }
            expect(lower).toBeDefined()
            const compare = comparatorOf(type)
            const low = valueFromBytes(type, lower as Uint8Array)
            expect(compare(low, ordered[0] as PrimitiveValue)).toBeLessThanOrEqual(0)
            if (upper === undefined) expect(mode).toMatch(/truncate/)
            else
              expect(
                compare(valueFromBytes(type, upper), ordered.at(-1) as PrimitiveValue),
              ).toBeGreaterThanOrEqual(0)
            if (mode === 'full' && type.kind !== 'float' && type.kind !== 'double') {
              expect([low, valueFromBytes(type, upper as Uint8Array)]).toEqual([
                ordered[0],
                ordered.at(-1),
              ])
            }
          }
        },
      ),
      { numRuns: 400 },
    )
  })

  it('merges in any order and survives structured cloning', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(fc.array(structArbitrary(schema.fields), { maxLength: 6 }), {
              minLength: 2,
              maxLength: 4,
            }),
            fc.infiniteStream(fc.nat()),
          ),
        ),
        ([schema, groups, picks]) => {
          const modes = modesOf(schema)
          const parts = groups.map((rows) => {
            const metrics = emptyMetrics()
            meterBatch(
              metrics,
              batchOf(
                schema,
                rows.map((r) => given(schema, r)),
              ),
              structuredClone(modes),
            )
            return structuredClone(metrics)
          })
          const whole = measure(
            schema,
            groups.map((rows) =>
              batchOf(
                schema,
                rows.map((r) => given(schema, r)),
              ),
            ),
            modes,
          )
          const merged = emptyMetrics()
          while (parts.length > 0) {
            const at = (picks.next().value as number) % parts.length
            mergeMetrics(merged, parts.splice(at, 1)[0] as (typeof parts)[0])
          }
          expect(merged.recordCount).toBe(groups.flat().length)
          expect(finishMetrics(merged, schema, modes)).toEqual(whole)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('counts and bounds slices of batches, at any offset', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(structArbitrary(schema.fields), { minLength: 1, maxLength: 30 }),
            fc.nat(29),
            fc.nat(29),
          ),
        ),
        ([schema, rows, a, b]) => {
          const modes = modesOf(schema, { 'write.metadata.metrics.default': 'full' })
          const [from, to] = [Math.min(a, b), Math.max(a, b)]
          const inputs = rows.map((r) => given(schema, r))
          const sliced = batchOf(schema, inputs).slice(from, to)
          expect(measure(schema, [sliced], modes)).toEqual(
            measure(schema, [batchOf(schema, inputs.slice(from, to))], modes),
          )
        },
      ),
      { numRuns: 150 },
    )
  })

  it('does not count elements that a null list covers', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [
        {
          id: 1,
          name: 'c',
          required: false,
          type: { kind: 'list', elementId: 2, elementRequired: false, element: of('double') },
        },
      ],
    })
    const batch = batchOf(schema, [
      { c: [1, null] },
      { c: [Number.NaN, 2, null] },
      { c: [Number.NaN] },
    ])
    const list = batch.data.children[0] as unknown as { _nullCount: number; nullBitmap: Uint8Array }
    list.nullBitmap = Uint8Array.of(0b101)
    list._nullCount = 1
    const metrics = measure(schema, [batch], modesOf(schema))
    expect(metrics.valueCounts).toEqual(new Map([[2, 3]]))
    expect(metrics.nullValueCounts).toEqual(new Map([[2, 1]]))
    expect(metrics.nanValueCounts).toEqual(new Map([[2, 1]]))
    expect(metrics.lowerBounds).toEqual(new Map())
  })

  it('has no bounds for columns of nulls or NaNs, and none of NaN (item 98)', () => {
    expect(bounds({ kind: 'double' }, [Number.NaN, null, Number.NaN])).toEqual([
      undefined,
      undefined,
    ])
    expect(bounds({ kind: 'int' }, [null, null])).toEqual([undefined, undefined])
    expect(bounds({ kind: 'string' }, [])).toEqual([undefined, undefined])
    expect(bounds({ kind: 'double' }, [Number.NaN, 1, 2])).toEqual([1, 2])
    expect(metricsOf(of('float'), [Number.NaN, 1]).nanValueCounts.get(1)).toBe(1)
  })

  it('writes −0.0 as lower and +0.0 as upper bound of zeros (item 98)', () => {
    for (const values of [[0], [-0], [0, -0], [-0, 0]]) {
      const [lower, upper] = bounds({ kind: 'double' }, values)
      expect(Object.is(lower, -0) && Object.is(upper, 0)).toBe(true)
    }
    expect(bounds({ kind: 'float' }, [-Infinity, Infinity])).toEqual([-Infinity, Infinity])
  })

  it('cuts strings by code points, at 16 and 17, around D7FF and 10FFFF (item 99)', () => {
    const text = { kind: 'string' } as const
    const a16 = 'a'.repeat(16)
    expect(bounds(text, [a16])).toEqual([a16, a16])
    expect(bounds(text, [`${a16}b`])).toEqual([a16, `${'a'.repeat(15)}b`])
    expect(bounds(text, [`${'a'.repeat(15)}\ud7ffx`])).toEqual([
      `${'a'.repeat(15)}\ud7ff`,
      `${'a'.repeat(15)}\ue000`,
    ])
    expect(bounds(text, [`${'a'.repeat(15)}\u{10ffff}x`])).toEqual([
      `${'a'.repeat(15)}\u{10ffff}`,
      `${'a'.repeat(14)}b`,
    ])
    expect(bounds(text, ['\u{10ffff}'.repeat(17)])).toEqual(['\u{10ffff}'.repeat(16), undefined])
    expect(bounds(text, ['\u{1f600}'.repeat(17)], 'truncate(2)')).toEqual([
      '\u{1f600}'.repeat(2),
      '\u{1f600}\u{1f601}',
    ])
    // The order of UTF-8, not of UTF-16 units: U+FF5E is below U+1F600.
    expect(bounds(text, ['\uff5e', '\u{1f600}'])).toEqual(['\uff5e', '\u{1f600}'])
    expect(bounds(text, ['', 'b'])).toEqual(['', 'b'])
    // A byte order mark is a character like others.
    expect(bounds(text, ['\ufeffa'])).toEqual(['\ufeffa', '\ufeffa'])
    expect(bounds(text, ['\u0000', ''])).toEqual(['', '\u0000'])
    expect(bounds(text, [`${a16}b`], 'full')).toEqual([`${a16}b`, `${a16}b`])
  })

  it('cuts binaries by bytes; all FF has no upper bound (item 99)', () => {
    const ff = new Uint8Array(17).fill(255)
    expect(bounds({ kind: 'binary' }, [ff])).toEqual([ff.slice(0, 16), undefined])
    const mixed = Uint8Array.of(1, 255, 255)
    expect(bounds({ kind: 'binary' }, [mixed], 'truncate(2)')).toEqual([
      Uint8Array.of(1, 255),
      Uint8Array.of(2),
    ])
  })

  it('keeps extremes of 64 and 128 bits', () => {
    const longs = [2n ** 63n - 1n, -(2n ** 63n), 0n, -1n, 2n ** 32n, -(2n ** 32n)]
    expect(bounds({ kind: 'long' }, longs)).toEqual([-(2n ** 63n), 2n ** 63n - 1n])
    expect(bounds({ kind: 'long' }, [4_294_967_295n, 1n])).toEqual([1n, 4_294_967_295n])
    const nines = '9'.repeat(38)
    expect(bounds({ kind: 'decimal', precision: 38, scale: 0 }, [nines, `-${nines}`, '0'])).toEqual(
      [-BigInt(nines), BigInt(nines)],
    )
    expect(
      metricsOf({ kind: 'decimal', precision: 9, scale: 0 }, ['-128', '128']).lowerBounds.get(1),
    ).toEqual(Uint8Array.of(0x80))
    expect(bounds({ kind: 'boolean' }, [true, true])).toEqual([true, true])
    expect(bounds({ kind: 'boolean' }, [true, null, false])).toEqual([false, true])
  })

  it('keeps only what the bound needs of a long value', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'c', required: false, type: of('string') }],
    })
    const metrics = emptyMetrics()
    meterBatch(metrics, batchOf(schema, [{ c: 'é'.repeat(1_000_000) }]), modesOf(schema))
    const { lower, upper } = metrics.columns.get(1) as LeafMetrics
    expect((upper as Uint8Array).length).toBe(34)
    expect((lower as Uint8Array).buffer.byteLength).toBe(34)
  })

  it('gives text that is no UTF-8 no bounds', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'c', required: false, type: of('string') }],
    })
    const batch = batchOf(schema, [{ c: 'abc' }])
    const values = batch.data.children[0]?.values as Uint8Array
    values[1] = 0xff
    const metrics = measure(schema, [batch], modesOf(schema))
    expect([
      metrics.valueCounts.get(1),
      metrics.lowerBounds.size,
      metrics.upperBounds.size,
    ]).toEqual([1, 0, 0])
  })
})

describe('metrics modes (item 102)', () => {
  const columns = (n: number): NestedField[] =>
    Array.from({ length: n }, (_, i) => ({
      id: i + 1,
      name: `c${i + 1}`,
      required: false,
      type: of('string'),
    }))
  const wide = new Schema({ schemaId: 0, fields: columns(102) })

  it('truncates to 16 in the first 100 columns and measures nothing in the rest', () => {
    const modes = modesOf(wide)
    expect(modes.get(100)).toEqual({ kind: 'truncate', length: 16 })
    expect(modes.get(101)).toEqual({ kind: 'none' })
    expect(
      modesOf(wide, { 'write.metadata.metrics.max-inferred-column-defaults': '1' }).get(2),
    ).toEqual({ kind: 'none' })
    expect(modesOf(wide, { 'write.metadata.metrics.default': 'counts' }).get(102)).toEqual({
      kind: 'counts',
    })
    expect(modesOf(wide, { 'write.metadata.metrics.column.c102': 'Truncate(4)' }).get(102)).toEqual(
      { kind: 'truncate', length: 4 },
    )
  })

  it('counts the columns of a struct itself before those inside its structs', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [
        {
          id: 1,
          name: 's',
          required: false,
          type: { kind: 'struct', fields: columns(1).map((f) => ({ ...f, id: 3 })) },
        },
        { id: 2, name: 'b', required: false, type: of('int') },
      ],
    })
    const modes = modesOf(schema, { 'write.metadata.metrics.max-inferred-column-defaults': '1' })
    expect([modes.get(2)?.kind, modes.get(3)?.kind]).toEqual(['truncate', 'none'])
  })

  it('gives sort columns bounds unless their own property says otherwise', () => {
    const order = {
      orderId: 1,
      fields: [
        {
          sourceIds: [101],
          transform: { kind: 'identity' as const },
          direction: 'asc' as const,
          nullOrder: 'nulls-first' as const,
        },
        {
          sourceIds: [102],
          transform: { kind: 'bucket' as const, numBuckets: 4 },
          direction: 'asc' as const,
          nullOrder: 'nulls-first' as const,
        },
      ],
    }
    const modes = resolveMetricsModes(wide, { 'write.metadata.metrics.default': 'none' }, order)
    expect([modes.get(101)?.kind, modes.get(102)?.kind]).toEqual(['truncate', 'none'])
    const own = resolveMetricsModes(wide, { 'write.metadata.metrics.column.c101': 'counts' }, order)
    expect(own.get(101)?.kind).toBe('counts')
  })

  it('measures nothing in mode none and no bounds inside lists, maps and geometries', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [
        { id: 1, name: 'g', required: false, type: { kind: 'geometry' } },
        {
          id: 2,
          name: 'l',
          required: false,
          type: { kind: 'list', elementId: 3, elementRequired: false, element: of('int') },
        },
        { id: 4, name: 'u', required: false, type: of('unknown') },
      ],
    })
    const modes = modesOf(schema, { 'write.metadata.metrics.default': 'full' })
    expect([...modes]).toEqual([
      [1, { kind: 'counts' }],
      [3, { kind: 'counts' }],
    ])
    const none = metricsOf(of('int'), [1, 2], 'none')
    expect([none.valueCounts.size, none.lowerBounds.size]).toEqual([0, 0])
  })

  it('refuses a property that is no mode', () => {
    for (const [property, text] of [
      ['write.metadata.metrics.default', 'truncate(0)'],
      ['write.metadata.metrics.column.c1', 'most'],
      ['write.metadata.metrics.max-inferred-column-defaults', '-1'],
    ] as const) {
      expect(() => modesOf(wide, { [property]: text })).toThrow(FloeError)
      expect(() => modesOf(wide, { [property]: text })).toThrow(
        `The table property ${property} is "${text}" but must be`,
      )
    }
  })
})
