/** Row hashes and exact comparison of rows against each other and against a plain model of equality. */
import type { RecordBatch } from 'apache-arrow'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { toArrowField } from '../../src/iceberg/columns/arrow-schema.ts'
import { columnData } from '../../src/iceberg/columns/column-data.ts'
import { takeRows } from '../../src/iceberg/columns/take.ts'
import type { NestedField, Type } from '../../src/iceberg/spec/types.ts'
import type { StructValue, Value } from '../../src/iceberg/spec/value.ts'
import { differingRows } from '../../src/merge/differing-rows.ts'
import { rowHashes } from '../../src/merge/row-hash.ts'
import { rowForms, schemaArbitrary, structArbitrary } from '../iceberg/columns/arbitraries.ts'
import { errorOf } from '../support/expect-error.ts'
import { batchOf, fieldsOf, hidingRows, SEED } from './batches.ts'

let arrow: Awaited<ReturnType<typeof loadArrow>>
beforeAll(async () => {
  arrow = await loadArrow()
})

/** Text that is equal for equal values (MG-20). */
function canonical(type: Type, value: Value): string {
  if (value === null) return 'null'
  switch (type.kind) {
    case 'float':
    case 'double':
      return Number.isNaN(value) ? 'NaN' : String((value as number) + 0)
    case 'list':
      return `[${(value as readonly Value[]).map((v) => canonical(type.element, v)).join()}]`
    case 'map':
      return `{${[...(value as ReadonlyMap<Value, Value>)]
        .map(([k, v]) => `${canonical(type.key, k)}:${canonical(type.value, v)}`)
        .sort()
        .join()}}`
    case 'struct':
      return `(${type.fields.map((f) => canonical(f.type, (value as StructValue)[f.name] as Value)).join()})`
    default:
      return value instanceof Uint8Array ? `b${value.join('.')}` : JSON.stringify(String(value))
  }
}

const structOf = (fields: readonly NestedField[]): Type => ({ kind: 'struct', fields })

function hashTexts(batch: RecordBatch, ids: readonly number[]): string[] {
  const hashes = rowHashes(batch, ids, SEED)
  return Array.from({ length: batch.numRows }, (_, i) => `${hashes[2 * i]}:${hashes[2 * i + 1]}`)
}

/** Every row against every row of another batch. */
function matrix(a: RecordBatch, b: RecordBatch, ids: readonly number[]): number[][] {
  const rowsB = Int32Array.from({ length: b.numRows }, (_, i) => i)
  return Array.from({ length: a.numRows }, (_, row) => [
    ...differingRows(a, new Int32Array(b.numRows).fill(row), b, rowsB, ids),
  ])
}

/** The value with the entries of its maps in another order. */
function shuffled(type: Type, value: Value): Value {
  if (value === null) return null
  switch (type.kind) {
    case 'list':
      return (value as readonly Value[]).map((v) => shuffled(type.element, v))
    case 'map':
      return new Map(
        [...(value as ReadonlyMap<Value, Value>)]
          .reverse()
          .map(([k, v]) => [k, shuffled(type.value, v)]),
      ) as Value
    case 'struct':
      return Object.fromEntries(
        type.fields.map((f) => [f.name, shuffled(f.type, (value as StructValue)[f.name] as Value)]),
      ) as Value
    default:
      return value
  }
}

describe('row hashes and differing rows', () => {
  it('MG-20: agree with each other and a model on equality, every type, nested, slices, taken rows', () => {
    const cases = schemaArbitrary.chain((schema) =>
      fc.tuple(
        fc.constant(schema),
        fc
          .array(structArbitrary(schema.fields), { minLength: 1, maxLength: 4 })
          .chain((pool) =>
            fc.tuple(
              fc.array(fc.constantFrom(...pool), { minLength: 1, maxLength: 10 }),
              fc.array(fc.constantFrom(...pool), { minLength: 1, maxLength: 6 }),
            ),
          ),
        fc.nat(3),
      ),
    )
    fc.assert(
      fc.property(cases, ([schema, [left, right], from]) => {
        const type = structOf(schema.fields)
        const ids = schema.fields.map((f) => f.id)
        const make = (rows: readonly Value[]): RecordBatch =>
          batchOf(
            schema.fields,
            rows.map((row) => rowForms(type, row)[0]),
          )
        const a = make(left).slice(from)
        const order = Int32Array.from(right, (_, i) => right.length - 1 - i)
        const b = takeRows(make(right.map((row) => shuffled(type, row))), order)
        const textsA = left.slice(from).map((row) => canonical(type, row))
        const textsB = [...right].reverse().map((row) => canonical(type, row))
        const expected = textsA.map((x) => textsB.map((y) => (x === y ? 0 : 1)))
        expect(matrix(a, b, ids)).toEqual(expected)
        const [hashesA, hashesB] = [hashTexts(a, ids), hashTexts(b, ids)]
        expect(hashesA.map((x) => hashesB.map((y) => (x === y ? 0 : 1)))).toEqual(expected)
      }),
      { numRuns: 400 },
    )
  })

  it('MG-20: null equals null, NaN any NaN, −0 +0; a null struct is not a struct of nulls', () => {
    const inner = fieldsOf({ x: { kind: 'int' } }).map((f) => ({ ...f, id: 10 }))
    const fields = fieldsOf({ f: { kind: 'double' }, s: structOf(inner) })
    const rows = [
      { f: null, s: null },
      { f: null, s: { x: null } },
      { f: -0, s: { x: 1 } },
      { f: 0, s: { x: 1 } },
      { f: Number.NaN, s: null },
    ]
    const batch = batchOf(fields, rows)
    const doubles = batch.data.children[0] as unknown as { values: Float64Array }
    const words = new Uint32Array(doubles.values.buffer, doubles.values.byteOffset, 10)
    const other = batchOf(fields, rows)
    // Another NaN, with its sign and lowest bit set.
    words.set([1, 0xfff80000], 8)
    expect(
      differingRows(batch, Int32Array.of(0, 1, 2, 4), other, Int32Array.of(1, 1, 3, 4), [1, 2]),
    ).toEqual(Uint8Array.of(1, 0, 0, 0))
    const [h0, h1, h2, h3, h4] = hashTexts(batch, [1, 2])
    expect(h0).not.toBe(h1)
    expect(h2).toBe(h3)
    expect(h4).toBe(hashTexts(other, [1, 2])[4])
  })

  it('sees nothing of what null structs, lists and maps cover', () => {
    const inner = fieldsOf({ x: { kind: 'int' } }).map((f) => ({ ...f, id: 10 }))
    const list: Type = {
      kind: 'list',
      elementId: 11,
      elementRequired: false,
      element: { kind: 'string' },
    }
    const map: Type = {
      kind: 'map',
      keyId: 12,
      key: { kind: 'string' },
      valueId: 13,
      valueRequired: false,
      value: { kind: 'long' },
    }
    const cases: [Type, unknown[]][] = [
      [structOf(inner), [{ x: 1 }, { x: 2 }, { x: 3 }]],
      [list, [['a'], ['b', 'c'], ['d']]],
      [map, [new Map([['a', 1]]), new Map([['b', 2]]), new Map()]],
    ]
    for (const [type, values] of cases) {
      const fields = fieldsOf({ v: type })
      const rows = values.map((v) => ({ v }))
      const hiding = hidingRows(batchOf(fields, rows))
      const empty = batchOf(fields, [rows[0], { v: null }, { v: null }])
      const expected = [
        [0, 1, 1],
        [1, 0, 0],
        [1, 0, 0],
      ]
      expect(matrix(hiding, empty, [1])).toEqual(expected)
      expect(matrix(hiding, hiding, [1])).toEqual(expected)
      expect(hashTexts(hiding, [1])).toEqual(hashTexts(empty, [1]))
      expect(hashTexts(hiding.slice(1), [1])).toEqual(hashTexts(empty, [1]).slice(1))
    }
  })

  it('MG-20: maps ignore the order of their entries, also large ones with equal keys or values', () => {
    const map = (key: Type, value: Type): Type => ({
      kind: 'map',
      keyId: 20,
      key,
      valueId: 21,
      valueRequired: false,
      value,
    })
    const fields = fieldsOf({ m: map({ kind: 'string' }, { kind: 'int' }) })
    const entries = Array.from({ length: 500 }, (_, i): [string, number | null] => [
      `key-${i}`,
      i % 7 === 0 ? null : i % 3,
    ])
    const changed = entries.map(([k, v], i): [string, number | null] => [k, i === 250 ? 99 : v])
    const swapped = entries.map(([k], i): [string, number | null] => [
      k,
      (entries[499 - i] as [string, number | null])[1],
    ])
    const a = batchOf(fields, [{ m: new Map(entries) }])
    const b = batchOf(fields, [
      { m: new Map([...entries].reverse()) },
      { m: new Map(changed) },
      { m: new Map(swapped) },
      { m: new Map(entries.slice(1)) },
    ])
    expect(matrix(a, b, [1])).toEqual([[0, 1, 1, 1]])
    const [same, ...others] = hashTexts(b, [1])
    expect(hashTexts(a, [1])[0]).toBe(same)
    expect(others).not.toContain(same)
  })

  it('hashes ints as longs and floats as doubles, which they may become', () => {
    const narrow = fieldsOf({ i: { kind: 'int' }, f: { kind: 'float' } })
    const wide = fieldsOf({ i: { kind: 'long' }, f: { kind: 'double' } })
    const rows = [
      { i: -1, f: 1.5 },
      { i: 2 ** 31 - 1, f: Number.NaN },
      { i: null, f: -0 },
    ]
    expect(hashTexts(batchOf(narrow, rows), [1, 2])).toEqual(hashTexts(batchOf(wide, rows), [1, 2]))
  })

  it('takes columns of type unknown for nothing, there or missing, and refuses other differences', () => {
    const inner = (with9: boolean): NestedField[] => [
      { id: 8, name: 'x', required: false, type: { kind: 'int' } },
      ...(with9 ? [{ id: 9, name: 'u', required: false, type: { kind: 'unknown' as const } }] : []),
    ]
    const without = batchOf(
      [{ id: 1, name: 's', required: false, type: structOf(inner(false)) }],
      [{ s: { x: 4 } }],
    )
    const field = toArrowField(
      { id: 1, name: 's', required: false, type: structOf(inner(true)) },
      'read',
      [],
    )
    const struct = without.data.children[0] as never as { children: never[] }
    const unknown = columnData(new arrow.Null(), {
      length: 1,
      nullCount: 1,
      validity: new Uint8Array(0),
    })
    const children = [
      columnData(field.type, {
        length: 1,
        nullCount: 0,
        children: [...struct.children, unknown as never],
      }),
    ]
    const schema = new arrow.Schema([field])
    const read = new arrow.RecordBatch(
      schema,
      columnData(new arrow.Struct([field]), { length: 1, nullCount: 0, children }) as never,
    )
    expect(matrix(read, without, [1, 77])).toEqual([[0]])
    expect(matrix(without, read, [1, 77])).toEqual([[0]])
    expect(hashTexts(read, [1, 77])).toEqual(hashTexts(without, [1, 77]))
    const other = batchOf(fieldsOf({ s: { kind: 'long' } }), [{ s: 1 }])
    errorOf('ASSERTION_FAILED', () => matrix(without, other, [1]))
    errorOf('ASSERTION_FAILED', () =>
      matrix(batchOf(fieldsOf({ s: { kind: 'int' } }), [{ s: 1 }]), other, [1]),
    )
  })

  it('hashes evenly: no collision among 200,000 rows that differ in one bit or two', () => {
    const fields = fieldsOf({ a: { kind: 'long' }, b: { kind: 'long' } })
    const rows = Array.from({ length: 200_000 }, (_, i) => ({
      a: 1n << BigInt(i % 50),
      b: BigInt(Math.floor(i / 50)),
    }))
    expect(new Set(hashTexts(batchOf(fields, rows), [1, 2])).size).toBe(rows.length)
  })
})
