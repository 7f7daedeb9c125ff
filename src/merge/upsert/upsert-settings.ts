/** The options of an upsert, checked against the table's schema. merge.md §Public API, MG-2, MG-3, MG-15, MG-22. */
import { FloeError } from '../../core/errors.ts'
import { bindExpression } from '../../iceberg/spec/expressions/bind.ts'
import type { BoundExpression } from '../../iceberg/spec/expressions/expression.ts'
import { toExpression } from '../../iceberg/spec/expressions/where.ts'
import type { RowChangeMode } from '../../iceberg/spec/properties.ts'
import { Schema } from '../../iceberg/spec/schema.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'
import type { RowPredicate, UpsertOptions } from '../../iceberg/table/upsert-engine.ts'
import type { KeyField } from '../index/key-codec.ts'
import { Sequence } from '../sequence.ts'
import { extraColumns } from './extra-columns.ts'
import { checkAddable } from './increments.ts'

/** What an incoming row does to a column of the row that the table has. */
export type ColumnRule = 'replace' | 'keep' | 'coalesce' | 'add'

export interface UpsertSettings {
  readonly table: string
  readonly schema: Schema
  /** The table's schema with all columns optional, since which rows need which columns shows later; then the extra ones. */
  readonly inputSchema: Schema
  /** Columns at the end of the input that only `deletes` reads. */
  readonly extraColumns: number
  readonly keys: readonly KeyField[]
  readonly nullSafe: boolean
  readonly onNullKey: 'error' | 'drop'
  readonly onDuplicate: 'latest' | 'first' | 'error'
  readonly onTargetDuplicates: 'error' | 'repair' | 'updateAll'
  readonly sequence: Sequence | undefined
  readonly sequenceFields: readonly KeyField[]
  readonly ties: 'incoming' | 'existing'
  readonly deletes: BoundExpression | RowPredicate | undefined
  readonly skipUnchanged: boolean
  readonly verifyUnchanged: boolean
  /** For each top-level column its rule, if not all are `replace`. */
  readonly rules: readonly ColumnRule[] | undefined
  readonly mode: RowChangeMode | undefined
  /** Input columns that are passed over. */
  readonly ignoreColumns: ReadonlySet<string>
}

/** @throws BAD_ARGUMENT, NO_SUCH_COLUMN, BAD_EXPRESSION, TYPE_MISMATCH */
export function upsertSettings(
  table: string,
  schema: Schema,
  options: UpsertOptions,
): UpsertSettings {
  const keys = keyFields(table, schema, options.key)
  const { sequenceBy, deleteWhen, onNullKey = 'error' } = options
  const sequenceFields = (sequenceBy ?? []).map((name) => fieldOf(schema, name, 'sequenceBy'))
  const sequence = sequenceBy === undefined ? undefined : new Sequence(sequenceFields)
  const rules = columnRules(schema, keys, sequenceFields, options)
  oneOf('onNullKey', onNullKey, ['error', 'drop', 'nullSafe'])
  oneOf('ties', options.ties, ['incoming', 'existing'])
  oneOf('onDuplicate', options.onDuplicate, ['latest', 'first', 'error'])
  oneOf('onTargetDuplicates', options.onTargetDuplicates, ['error', 'repair', 'updateAll'])
  // Without a sequence nobody said that later rows are newer, but rows that add up have no order.
  const ordered = sequence !== undefined || rules?.every((r) => r === 'add' || r === 'keep')
  const ignored = ignoredColumns(schema, options.ignoreColumns ?? [])
  const extra =
    deleteWhen === undefined || typeof deleteWhen === 'function'
      ? []
      : extraColumns(toExpression(deleteWhen), ignored)
  const inputSchema = new Schema({
    schemaId: schema.schemaId,
    fields: [...schema.fields.map((field) => ({ ...field, required: false })), ...extra],
  })
  return {
    table,
    schema,
    inputSchema,
    extraColumns: extra.length,
    keys,
    nullSafe: onNullKey === 'nullSafe',
    onNullKey: onNullKey === 'drop' ? 'drop' : 'error',
    onDuplicate: options.onDuplicate ?? (ordered === true ? 'latest' : 'error'),
    onTargetDuplicates: options.onTargetDuplicates ?? 'error',
    sequence,
    sequenceFields,
    ties: options.ties ?? 'incoming',
    deletes:
      deleteWhen === undefined || typeof deleteWhen === 'function'
        ? deleteWhen
        : bindExpression(inputSchema, toExpression(deleteWhen)),
    skipUnchanged: options.skipUnchanged ?? true,
    verifyUnchanged: options.verifyUnchanged ?? false,
    rules,
    mode: options.mode === 'auto' ? undefined : options.mode,
    ignoreColumns: new Set([...ignored].filter((name) => !extra.some((f) => f.name === name))),
  }
}

/** The key columns, by name or as the schema has them (MG-3). */
function keyFields(
  table: string,
  schema: Schema,
  names: readonly string[] | undefined,
): readonly KeyField[] {
  const given =
    names ??
    schema.identifierFieldIds.map((id) => schema.findById(id)?.path.join('.') ?? String(id))
  if (given.length === 0) {
    throw new FloeError(
      'BAD_ARGUMENT',
      `Cannot upsert into ${table}: it has no identifier fields. Name the key columns with the option key`,
      { context: { table } },
    )
  }
  const twice = given.find((name, i) => given.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new FloeError('BAD_ARGUMENT', `The key names column "${twice}" twice`, {
      context: { table, column: twice },
    })
  }
  return given.map((name) => fieldOf(schema, name, 'key'))
}

function fieldOf(schema: Schema, name: string, option: string): KeyField {
  const { field, path, idPath, repeated } = schema.requireByName(name)
  if (!repeated) return { name: path.join('.'), type: field.type, idPath }
  throw new FloeError(
    'BAD_ARGUMENT',
    `${option} names "${name}", which lies inside a list or a map: a row has many of them. Name a column that a row has once`,
    { context: { column: name } },
  )
}

/** Rules of the top-level columns; undefined if every column is replaced. */
function columnRules(
  schema: Schema,
  keys: readonly KeyField[],
  sequence: readonly KeyField[],
  options: UpsertOptions,
): readonly ColumnRule[] | undefined {
  const { update, increment = [], ignoreNullUpdates } = options
  const coalesced = ignoreNullUpdates === true ? undefined : ignoreNullUpdates || []
  if (update === undefined && increment.length === 0 && coalesced?.length === 0) return undefined
  const keyIds = new Set(keys.map((key) => key.idPath[0]))
  const named = (names: readonly string[], option: string): Set<NestedField> =>
    new Set(names.map((name) => topField(schema, name, option, keyIds)))
  const updated = update === undefined ? undefined : named(update, 'update')
  const added = named(increment, 'increment')
  const keepsOnNull = coalesced === undefined ? undefined : named(coalesced, 'ignoreNullUpdates')
  for (const field of added) {
    checkAddable(field)
    if (!updated?.has(field)) continue
    throw new FloeError(
      'BAD_ARGUMENT',
      `Column "${field.name}" stands in update and in increment. Leave it out of one of them`,
      { context: { column: field.name } },
    )
  }
  const sequenceIds = new Set(sequence.map(({ idPath }) => idPath[0]))
  for (const { name, idPath } of sequence) {
    const field = schema.fields.find((f) => f.id === idPath[0]) as NestedField
    const isKept = updated?.has(field) === false && idPath.length > 1 && !keyIds.has(field.id)
    if (!added.has(field) && !isKept) continue
    throw new FloeError(
      'BAD_ARGUMENT',
      added.has(field)
        ? `Column "${name}" stands in sequenceBy and in increment. Leave it out of one of them`
        : `sequenceBy names "${name}", which update leaves as it is: older rows would win later. Name "${field.name}" in update`,
      { context: { column: name } },
    )
  }
  return schema.fields.map((field): ColumnRule => {
    if (added.has(field)) return 'add'
    // A row that changes anything is what later ones have to be newer than.
    if (sequenceIds.has(field.id) && !keyIds.has(field.id)) return 'replace'
    if (updated !== undefined && !updated.has(field)) return 'keep'
    if (keyIds.has(field.id)) return 'replace'
    return keepsOnNull === undefined || keepsOnNull.has(field) ? 'coalesce' : 'replace'
  })
}

function topField(
  schema: Schema,
  name: string,
  option: string,
  keyIds: ReadonlySet<number | undefined>,
): NestedField {
  const { field, idPath } = schema.requireByName(name)
  const why =
    idPath.length > 1
      ? 'is part of another column. Name the whole column'
      : keyIds.has(field.id)
        ? 'is a key column, which never changes. Leave it out'
        : undefined
  if (why === undefined) return field
  throw new FloeError('BAD_ARGUMENT', `${option} names "${name}", which ${why}`, {
    context: { column: name },
  })
}

function ignoredColumns(schema: Schema, names: readonly string[]): ReadonlySet<string> {
  const own = names.find((name) => schema.fields.some((field) => field.name === name))
  if (own === undefined) return new Set(names)
  throw new FloeError(
    'BAD_ARGUMENT',
    `ignoreColumns names "${own}", which is a column of the table. Use update to name the columns that rows change`,
    { context: { column: own } },
  )
}

function oneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value)) return
  throw new FloeError('BAD_ARGUMENT', `${name} must be ${allowed.join(', ')}, not ${value}`)
}
