/**
 * Schemas written as literals, with the row types that follow from them:
 * `schema({ id: t.long(), note: t.optional(t.string()) }, { key: ['id'] })`.
 *
 * A column is required unless it is wrapped in `t.optional(…)`. Field ids are assigned when a table is created.
 */
import { checkOptions } from '../../core/check-options.ts'
import { FloeError } from '../../core/errors.ts'
import { Schema } from './schema.ts'
import type { NestedField, PrimitiveType, Type } from './types.ts'

/** A column type: `Out` is what `rows()` gives, `In` what `append` accepts. The two exist only as types. */
export interface ColumnType<Out = unknown, In = unknown> {
  readonly shape: ColumnShape
  readonly optional: boolean
  readonly doc?: string
  readonly '~out'?: Out
  readonly '~in'?: In
}

type ColumnShape =
  | { readonly kind: 'primitive'; readonly type: PrimitiveType }
  | { readonly kind: 'struct'; readonly fields: Columns }
  | { readonly kind: 'list'; readonly element: ColumnType }
  | { readonly kind: 'map'; readonly key: ColumnType; readonly value: ColumnType }

/** Columns by name, in order. */
export interface Columns {
  readonly [name: string]: ColumnType
}

/** A schema before it has field ids. */
export interface SchemaLiteral<C extends Columns = Columns> {
  readonly columns: C
  /** Names of the identifier (primary key) columns. */
  readonly key: readonly string[]
}

type OutOf<C> = C extends ColumnType<infer Out, unknown> ? Out : never
type InOf<C> = C extends ColumnType<unknown, infer In> ? In : never
type NullableNames<C extends Columns> = {
  [K in keyof C]: null extends InOf<C[K]> ? K : never
}[keyof C]

/** The row that `rows()` gives for a schema. */
export type InferRow<S> =
  S extends SchemaLiteral<infer C> ? { -readonly [K in keyof C]: OutOf<C[K]> } : never

/** The row that `append` accepts for a schema: optional columns may be null or left out. */
export type InferInput<S> = S extends SchemaLiteral<infer C> ? InputOf<C> : never

type InputOf<C extends Columns> = {
  [K in Exclude<keyof C, NullableNames<C>>]: InOf<C[K]>
} & {
  [K in NullableNames<C>]?: InOf<C[K]> | undefined
}

type Simple<Out, In = Out> = () => ColumnType<Out, In>

/** The column types. Values: see the table of `spec/value.ts`, and what each accepts in docs/types.md. */
export const t: {
  readonly boolean: Simple<boolean>
  readonly int: Simple<number>
  readonly long: Simple<bigint, bigint | number>
  readonly float: Simple<number>
  readonly double: Simple<number>
  /** @throws BAD_SCHEMA unless 1 ≤ precision ≤ 38 and 0 ≤ scale ≤ precision. */
  readonly decimal: (
    precision: number,
    scale: number,
  ) => ColumnType<string, string | number | bigint>
  readonly date: Simple<string, string | Date | number>
  readonly time: Simple<bigint, bigint | string>
  readonly timestamp: Simple<bigint, bigint | string | Date>
  readonly timestamptz: Simple<bigint, bigint | string | Date>
  /** Nanoseconds; format version 3. */
  readonly timestampNs: Simple<bigint, bigint | string | Date>
  /** Nanoseconds, UTC; format version 3. */
  readonly timestamptzNs: Simple<bigint, bigint | string | Date>
  readonly string: Simple<string>
  readonly uuid: Simple<string, string | Uint8Array>
  readonly fixed: (length: number) => ColumnType<Uint8Array>
  readonly binary: Simple<Uint8Array>
  readonly list: <O, I>(element: ColumnType<O, I>) => ColumnType<O[], readonly I[]>
  readonly map: <KO, KI, VO, VI>(
    key: ColumnType<KO, KI>,
    value: ColumnType<VO, VI>,
  ) => ColumnType<
    Map<KO, VO>,
    ReadonlyMap<KI, VI> | (KI extends string ? Record<string, VI> : never)
  >
  readonly struct: <const C extends Columns>(
    fields: C,
  ) => ColumnType<{ -readonly [K in keyof C]: OutOf<C[K]> }, InputOf<C>>
  /** The column may be null, or left out of a row. */
  readonly optional: <O, I>(column: ColumnType<O, I>) => ColumnType<O | null, I | null>
  /** The column with a description for people, kept in the table's schema. */
  readonly doc: <O, I>(column: ColumnType<O, I>, text: string) => ColumnType<O, I>
} = {
  boolean: simple('boolean'),
  int: simple('int'),
  long: simple('long'),
  float: simple('float'),
  double: simple('double'),
  decimal: (precision, scale) => {
    if (
      !(Number.isInteger(precision) && precision >= 1 && precision <= 38) ||
      !(Number.isInteger(scale) && scale >= 0 && scale <= precision)
    ) {
      throw new FloeError(
        'BAD_SCHEMA',
        `decimal(${precision}, ${scale}) does not exist: precision is 1 to 38, scale 0 to precision`,
      )
    }
    return primitive({ kind: 'decimal', precision, scale })
  },
  date: simple('date'),
  time: simple('time'),
  timestamp: simple('timestamp'),
  timestamptz: simple('timestamptz'),
  timestampNs: simple('timestamp_ns'),
  timestamptzNs: simple('timestamptz_ns'),
  string: simple('string'),
  uuid: simple('uuid'),
  fixed: (length) => {
    if (!Number.isInteger(length) || length < 1 || length > 2 ** 31 - 1) {
      throw new FloeError('BAD_SCHEMA', `fixed[${length}] does not exist: the length is at least 1`)
    }
    return primitive({ kind: 'fixed', length })
  },
  binary: simple('binary'),
  list: (element) => ({ shape: { kind: 'list', element }, optional: false }),
  map: (key, value) => {
    if (key.optional) throw new FloeError('BAD_SCHEMA', 'The key of a map cannot be optional')
    return { shape: { kind: 'map', key, value }, optional: false }
  },
  struct: (fields) => ({ shape: { kind: 'struct', fields }, optional: false }),
  optional: (column) => ({ ...column, optional: true }) as ColumnType as never,
  doc: (column, text) => ({ ...column, doc: text }),
}

/**
 * A schema literal.
 * @throws BAD_SCHEMA if a key column does not exist.
 */
export function schema<const C extends Columns>(
  columns: C,
  options: { readonly key?: readonly (keyof C & string)[] } = {},
): SchemaLiteral<C> {
  checkOptions('schema', options, { key: true })
  if (!Array.isArray(options.key ?? [])) {
    throw new FloeError('BAD_SCHEMA', 'The key of a schema is a list of names of columns')
  }
  for (const name of options.key ?? []) {
    if (!Object.hasOwn(columns, name)) {
      throw new FloeError('BAD_SCHEMA', `The key column "${name}" is not a column of the schema`)
    }
  }
  return { columns, key: options.key ?? [] }
}

/** The schema of a literal with fresh field ids from 1 on: all columns of a level before the next level. */
export function assignFreshIds(literal: SchemaLiteral, schemaId = 0): Schema {
  if (typeof literal?.columns !== 'object' || !Array.isArray(literal.key)) {
    throw new FloeError('BAD_SCHEMA', 'A schema is what schema({ … }) gives, or a Schema')
  }
  let next = 1
  const structFields = (columns: Columns): NestedField[] => {
    const entries = Object.entries(columns)
    for (const [name, column] of entries) {
      if (typeof column?.shape === 'object') continue
      throw new FloeError(
        'BAD_SCHEMA',
        `The column "${name}" has no type: give it one of t, such as t.long()`,
        {
          context: { column: name },
        },
      )
    }
    const ids = entries.map(() => next++)
    return entries.map(([name, column], i) => ({
      id: ids[i] as number,
      name,
      required: !column.optional,
      type: typeOf(column),
      ...(column.doc === undefined ? {} : { doc: column.doc }),
    }))
  }
  const typeOf = (column: ColumnType): Type => {
    const { shape } = column
    switch (shape.kind) {
      case 'primitive':
        return shape.type
      case 'struct':
        return { kind: 'struct', fields: structFields(shape.fields) }
      case 'list': {
        const elementId = next++
        const elementRequired = !shape.element.optional
        return { kind: 'list', elementId, elementRequired, element: typeOf(shape.element) }
      }
      case 'map': {
        const keyId = next++
        const valueId = next++
        const valueRequired = !shape.value.optional
        const key = typeOf(shape.key)
        return { kind: 'map', keyId, key, valueId, valueRequired, value: typeOf(shape.value) }
      }
    }
  }
  const fields = structFields(literal.columns)
  const identifierFieldIds = literal.key.map(
    (name) => fields.find((field) => field.name === name)?.id as number,
  )
  return new Schema({ schemaId, fields, identifierFieldIds })
}

function simple(
  kind: Exclude<PrimitiveType['kind'], 'decimal' | 'fixed'>,
): () => ColumnType<never, never> {
  return () => primitive({ kind } as PrimitiveType)
}

function primitive(type: PrimitiveType): ColumnType<never, never> {
  return { shape: { kind: 'primitive', type }, optional: false }
}
