import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { getBit } from '../../../src/iceberg/columns/bitmap.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'
import { type EncodedKeys, KeyCodec } from '../../../src/merge/index/key-codec.ts'
import { primitiveType, rowForms, valueArbitrary } from '../../iceberg/columns/arbitraries.ts'
import { errorOf } from '../../support/expect-error.ts'
import { batchOf, codecOf, fieldsOf, hidingRows, SEED } from '../batches.ts'

beforeAll(async () => {
  await loadArrow()
})

const isKey = (type: PrimitiveType): boolean => type.kind !== 'float' && type.kind !== 'double'
const keyType = primitiveType.filter(isKey)

/** A key as text, or null where the row has a null key. */
function keyText(keys: EncodedKeys, row: number): string | null {
  if (keys.nulls !== undefined && getBit(keys.nulls, row)) return null
  const { words } = keys.codec
  return keys.words.subarray(row * words, (row + 1) * words).join()
}
const keyTexts = (keys: EncodedKeys): (string | null)[] =>
  Array.from({ length: keys.rows }, (_, row) => keyText(keys, row))

/** Values as text that is equal for equal values. */
const valueText = (value: unknown): string =>
  JSON.stringify(value, (_, v) =>
    typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? [...v] : v,
  )

describe('key codec', () => {
  it('MG-2: gives equal keys exactly for equal values, over every type, several columns and slices', () => {
    const cases = fc.array(keyType, { minLength: 1, maxLength: 3 }).chain((types) => {
      const row = fc.tuple(...types.map((type) => fc.option(valueArbitrary(type), { freq: 5 })))
      const pool = fc.array(row, { minLength: 1, maxLength: 6 })
      return fc.tuple(
        fc.constant(types),
        pool.chain((rows) => fc.array(fc.constantFrom(...rows), { minLength: 1, maxLength: 20 })),
        fc.nat(4),
        fc.boolean(),
      )
    })
    fc.assert(
      fc.property(cases, ([types, rows, from, nullSafe]) => {
        const fields = fieldsOf(Object.fromEntries(types.map((type, i) => [`c${i}`, type])))
        const objects = rows.map((row) =>
          Object.fromEntries(row.map((v, i) => [`c${i}`, rowForms(types[i] as Type, v)[0]])),
        )
        const keys = keyTexts(codecOf(fields, { nullSafe }).encode(batchOf(fields, objects)))
        const sliced = batchOf(fields, objects).slice(from)
        expect(keyTexts(codecOf(fields, { nullSafe }).encode(sliced))).toEqual(keys.slice(from))
        rows.forEach((a, i) => {
          const hasNull = a.some((v) => v === null)
          expect(keys[i] === null).toBe(hasNull && !nullSafe)
          rows.forEach((b, j) => {
            if (keys[i] === null || keys[j] === null) return
            expect(keys[i] === keys[j]).toBe(valueText(a) === valueText(b))
          })
        })
      }),
      { numRuns: 300 },
    )
  })

  it('keeps single keys of at most 8 bytes as they are, and hashes the others', () => {
    const layouts = (['boolean', 'int', 'long', 'date', 'time', 'timestamptz_ns'] as const).map(
      (kind) => codecOf(fieldsOf({ k: { kind } })).layout,
    )
    expect(new Set(layouts)).toEqual(new Set(['K8']))
    const decimal = (precision: number): Type => ({ kind: 'decimal', precision, scale: 2 })
    expect(codecOf(fieldsOf({ k: decimal(18) })).layout).toBe('K8')
    expect(codecOf(fieldsOf({ k: decimal(19) })).layout).toBe('K16')
    expect(codecOf(fieldsOf({ k: { kind: 'string' } })).layout).toBe('K16')
    expect(codecOf(fieldsOf({ a: { kind: 'int' }, b: { kind: 'int' } })).layout).toBe('K16')
    expect(codecOf(fieldsOf({ k: { kind: 'long' } }), { nullSafe: true }).layout).toBe('K16')
  })

  it('MG-2: int keys compare across promoted types', () => {
    const values = [0, -1, 7, 2 ** 31 - 1, -(2 ** 31)].map((k) => ({ k, s: 'x' }))
    for (const second of [{}, { s: { kind: 'string' } as Type }]) {
      const int = fieldsOf({ k: { kind: 'int' }, ...second })
      const long = fieldsOf({ k: { kind: 'long' }, ...second })
      const rows = Object.keys(second).length === 0 ? values.map(({ k }) => ({ k })) : values
      expect([...codecOf(int).encode(batchOf(int, rows)).words]).toEqual([
        ...codecOf(long).encode(batchOf(long, rows)).words,
      ])
    }
  })

  it('copies nothing for 64-bit keys', () => {
    const fields = fieldsOf({ k: { kind: 'long' } })
    const batch = batchOf(fields, [{ k: 1 }, { k: -2n }])
    const { words } = codecOf(fields).encode(batch)
    const column = batch.data.children[0] as unknown as { values: BigInt64Array }
    expect(words.buffer).toBe(column.values.buffer)
    expect([...words.subarray(0, 4)]).toEqual([1, 0, 0xfffffffe, 0xffffffff])
  })

  it('tells composites apart whose bytes run together', () => {
    const fields = fieldsOf({ a: { kind: 'string' }, b: { kind: 'binary' }, c: { kind: 'string' } })
    const parts = ['', 'a', 'ab', 'abc', 'abcd', '\0', '\0\0', 'a\0', 'abcd\0']
    const rows = parts.flatMap((a) =>
      parts.flatMap((b) => parts.map((c) => ({ a, b: Buffer.from(b), c }))),
    )
    rows.push(...parts.map((a) => ({ a, b: null as never, c: '' })))
    const keys = keyTexts(codecOf(fields, { nullSafe: true }).encode(batchOf(fields, rows)))
    expect(new Set(keys).size).toBe(rows.length)
  })

  it('hashes differently with every seed, and evenly', () => {
    const fields = fieldsOf({ k: { kind: 'string' } })
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ k: `user-${i}` }))
    const batch = batchOf(fields, rows)
    const { words } = codecOf(fields).encode(batch)
    const other = codecOf(fields, { seed: SEED.map((b) => b ^ 1) }).encode(batch).words
    expect(words.filter((w, i) => w === other[i]).length).toBeLessThan(5)
    for (let word = 0; word < 4; word++) {
      const buckets = new Float64Array(256)
      for (let i = word; i < words.length; i += 4) {
        const bucket = (words[i] as number) >>> 24
        buckets[bucket] = (buckets[bucket] as number) + 1
      }
      const mean = rows.length / 256
      const chi2 = buckets.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0)
      // 255 degrees of freedom: beyond 360 once in 10^5 for an even hash.
      expect(chi2).toBeLessThan(360)
    }
  })

  it('finds key columns below structs, whose nulls count', () => {
    const inner: NestedField[] = fieldsOf({ id: { kind: 'long' } }).map((f) => ({ ...f, id: 9 }))
    const fields = fieldsOf({ s: { kind: 'struct', fields: inner } })
    const batch = batchOf(fields, [
      { s: { id: 5 } },
      { s: null },
      { s: { id: null } },
      { s: { id: 6 } },
    ])
    const codec = new KeyCodec([{ name: 's.id', type: { kind: 'long' }, idPath: [1, 9] }], {
      seed: SEED,
    })
    expect(keyTexts(codec.encode(batch))).toEqual(['5,0', null, null, '6,0'])
    expect(keyTexts(codec.encode(batch.slice(2)))).toEqual([null, '6,0'])
    const full = batchOf(fields, [{ s: { id: 1 } }, { s: { id: 2 } }, { s: { id: 3 } }])
    expect(keyTexts(codec.encode(hidingRows(full)))).toEqual(['1,0', null, null])
  })

  it('MG-3: refuses floating-point, nested and other columns without equality', () => {
    const types: Type[] = [
      { kind: 'float' },
      { kind: 'double' },
      { kind: 'unknown' },
      { kind: 'variant' },
      { kind: 'geometry' },
      { kind: 'list', elementId: 2, elementRequired: true, element: { kind: 'int' } },
      { kind: 'struct', fields: [] },
    ]
    for (const type of types) {
      const error = errorOf('BAD_ARGUMENT', () => codecOf(fieldsOf({ price: type })))
      expect(error.context['column']).toBe('price')
      expect(error.message).toContain('"price"')
    }
    errorOf('BAD_ARGUMENT', () => codecOf([]))
  })
})
