/** Random schemas, values of every type, and the forms in which rows may give them. */
import fc from 'fast-check'
import { formatDecimal } from '../../../src/iceberg/spec/decimal.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import {
  formatDate,
  formatTime,
  formatTimestamp,
  formatTimestampNanos,
} from '../../../src/iceberg/spec/temporal.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'
import type { StructValue, Value } from '../../../src/iceberg/spec/value.ts'
import { uuidFromBytes } from '../../../src/iceberg/spec/value-binary.ts'

export const LONG_MIN: bigint = -(2n ** 63n)
export const LONG_MAX: bigint = 2n ** 63n - 1n

const SIMPLE = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'binary',
] as const

export const primitiveType: fc.Arbitrary<PrimitiveType> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...SIMPLE).map((kind) => ({ kind })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 9, 10, 18, 19, 28, 37, 38), fc.nat(38))
      .map(([precision, scale]) => ({
        kind: 'decimal' as const,
        precision,
        scale: Math.min(scale, precision),
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 1, max: 20 })
      .map((length) => ({ kind: 'fixed' as const, length })),
  },
)

/** A schema of primitive and nested columns; ids are assigned from 1 on, names are c<id>. */
export const schemaArbitrary: fc.Arbitrary<Schema> = fc
  .array(fc.tuple(typeArbitrary(2), fc.boolean()), { minLength: 1, maxLength: 6 })
  .map((columns) => {
    let id = 0
    const field = ([type, required]: [Shape, boolean]): NestedField => {
      const own = ++id
      return { id: own, name: `c${own}`, required, type: assign(type) }
    }
    const assign = (shape: Shape): Type => {
      if ('list' in shape) {
        const elementId = ++id
        return {
          kind: 'list',
          elementId,
          elementRequired: shape.required,
          element: assign(shape.list),
        }
      }
      if ('map' in shape) {
        const [keyId, valueId] = [++id, ++id]
        return {
          kind: 'map',
          keyId,
          key: { kind: 'string' },
          valueId,
          valueRequired: shape.required,
          value: assign(shape.map),
        }
      }
      if ('struct' in shape) return { kind: 'struct', fields: shape.struct.map(field) }
      return shape
    }
    return new Schema({ schemaId: 0, fields: columns.map(field) })
  })

type Shape =
  | PrimitiveType
  | { list: Shape; required: boolean }
  | { map: Shape; required: boolean }
  | { struct: [Shape, boolean][] }

function typeArbitrary(depth: number): fc.Arbitrary<Shape> {
  if (depth === 0) return primitiveType
  const inner = typeArbitrary(depth - 1)
  return fc.oneof(
    { weight: 6, arbitrary: primitiveType },
    { weight: 1, arbitrary: fc.record({ list: inner, required: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ map: inner, required: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        struct: fc.array(fc.tuple(inner, fc.boolean()), { minLength: 1, maxLength: 3 }),
      }),
    },
  )
}

const unicode = fc.string({ unit: 'binary', maxLength: 40 })
const wild = fc.oneof(
  unicode,
  fc.constantFrom(
    '',
    '\u0000',
    '\ud7ff',
    '\ue000',
    '\u{10ffff}',
    '\ufeffx',
    'é'.repeat(30),
    'a'.repeat(25),
    '日本語',
  ),
)

function bits(n: 64): fc.Arbitrary<bigint> {
  return fc.oneof(
    fc.bigInt({ min: -(2n ** BigInt(n - 1)), max: 2n ** BigInt(n - 1) - 1n }),
    fc.constantFrom(
      0n,
      1n,
      -1n,
      LONG_MIN,
      LONG_MAX,
      2n ** 53n + 1n,
      -(2n ** 53n) - 1n,
      2n ** 32n,
      -(2n ** 32n),
    ),
  )
}

/** A value of the type, as value.ts has them; null is left to the caller. */
export function valueArbitrary(type: Type): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean()
    case 'int':
    case 'date':
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)))
    case 'long':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return bits(64)
    case 'time':
      return fc.bigInt({ min: 0n, max: 86_399_999_999n })
    case 'float':
      return fc.oneof(fc.float(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity))
    case 'double':
      return fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, 5e-324, -Infinity))
    case 'decimal': {
      const max = 10n ** BigInt(type.precision) - 1n
      return fc.oneof(
        fc.bigInt({ min: -max, max }),
        fc.constantFrom(0n, 1n, -1n, max, -max).map((v) => v),
        fc.integer({ min: 1, max: 16 }).map((k) => {
          const power = -(2n ** BigInt(8 * k - 1))
          return power < -max ? -1n : power
        }),
      )
    }
    case 'string':
      return wild
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes)
    case 'fixed':
      return fc.uint8Array({ minLength: type.length, maxLength: type.length })
    case 'binary':
      return fc.uint8Array({ maxLength: 30 })
    case 'list':
      return fc.array(nullable(type.element, type.elementRequired), { maxLength: 4 })
    case 'map':
      return fc
        .array(fc.tuple(valueArbitrary(type.key), nullable(type.value, type.valueRequired)), {
          maxLength: 4,
        })
        .map((entries) => new Map(entries))
    case 'struct':
      return structArbitrary(type.fields)
    default:
      throw new Error(`no values of ${type.kind}`)
  }
}

export function nullable(type: Type, required: boolean): fc.Arbitrary<Value> {
  return required ? valueArbitrary(type) : fc.option(valueArbitrary(type), { freq: 4 })
}

export function structArbitrary(fields: readonly NestedField[]): fc.Arbitrary<StructValue> {
  return fc.record(
    Object.fromEntries(fields.map((f) => [f.name, nullable(f.type, f.required)])),
  ) as fc.Arbitrary<StructValue>
}

/** The forms in which a row may give a value. Each must store exactly that value. */
export function rowForms(type: Type, value: Value): unknown[] {
  if (value === null) return [null]
  switch (type.kind) {
    case 'int':
      return [value, BigInt(value as number)]
    case 'long':
      return Number.isSafeInteger(Number(value)) && BigInt(Number(value)) === value
        ? [value, Number(value)]
        : [value]
    case 'date': {
      const ms = (value as number) * 86_400_000
      return Math.abs(ms) <= 8.64e15
        ? [value, formatDate(value as number), new Date(ms)]
        : [value, formatDate(value as number)]
    }
    case 'time':
      return [value, formatTime(value as bigint)]
    case 'timestamp':
    case 'timestamptz': {
      const text = formatTimestamp(value as bigint, type.kind === 'timestamptz')
      const ms = (value as bigint) / 1000n
      return (value as bigint) % 1000n === 0n &&
        ms <= 8_640_000_000_000_000n &&
        ms >= -8_640_000_000_000_000n
        ? [value, text, new Date(Number(ms))]
        : [value, text]
    }
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return [value, formatTimestampNanos(value as bigint, type.kind === 'timestamptz_ns')]
    case 'decimal': {
      const text = formatDecimal(value as bigint, type.scale)
      return type.scale === 0 ? [text, value, `${text}.000`] : [text, `${text}00`, `${text}e0`]
    }
    case 'uuid':
      return [
        value,
        (value as string).toUpperCase(),
        Buffer.from((value as string).replaceAll('-', ''), 'hex'),
      ]
    case 'list':
      return [(value as readonly Value[]).map((item) => rowForms(type.element, item).at(-1))]
    case 'map': {
      const map = new Map(
        [...(value as ReadonlyMap<Value, Value>)].map(([k, v]) => [
          k,
          rowForms(type.value, v).at(-1),
        ]),
      )
      const plain = Object.create(null) as Record<string, unknown>
      for (const [k, v] of map) plain[k as string] = v
      // A plain object sorts keys that look like integers, which a map of values does not mind.
      return [map, plain]
    }
    case 'struct':
      return [
        Object.fromEntries(
          type.fields.map((f) => [
            f.name,
            rowForms(f.type, (value as StructValue)[f.name] as Value).at(-1),
          ]),
        ),
      ]
    default:
      return [value]
  }
}
