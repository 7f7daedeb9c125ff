/** Partition specs from text such as `day(ts)` or `bucket(16, id)`, checked against a schema. Items 17–19, 107. */
import { FloeError } from '../../core/errors.ts'
import {
  FIRST_PARTITION_FIELD_ID,
  type PartitionField,
  type PartitionSpec,
} from './partition-spec.ts'
import type { Schema } from './schema.ts'
import type { SortField, SortOrder } from './sort-order.ts'
import type { Transform } from './transform.ts'
import { transformFromText, transformText } from './transform-text.ts'
import { canTransform } from './transforms.ts'
import { typeText } from './type-text.ts'

/**
 * A spec from one text per field: `region`, `day(ts)`, `bucket(16, id)`, `truncate(4, item)`, `bucket(8, id) as shard`.
 * Names follow the reference implementation where none is given: `ts_day`, `id_bucket`, `item_trunc`, `region`. Field
 * ids count from 1000; adding the spec to a table gives each field the id that an equal one has there (item 18).
 * @throws BAD_PARTITION_SPEC, NO_SUCH_COLUMN
 */
export function partitionSpecFromText(
  terms: readonly string[],
  schema: Schema,
  specId = 0,
): PartitionSpec {
  checkTerms('partitionBy', terms, 'BAD_PARTITION_SPEC')
  const fields = terms.map((term, i): PartitionField => {
    const { column, transform, name } = parseTerm(term, 'BAD_PARTITION_SPEC')
    const sourceId = schema.requireByName(column).field.id
    return { sourceIds: [sourceId], fieldId: FIRST_PARTITION_FIELD_ID + i, name, transform }
  })
  checkRedundant(fields)
  const spec = { specId, fields }
  checkPartitionSpec(spec, schema)
  return spec
}

/** Callers without types may give one text in place of a list. */
function checkTerms(
  option: string,
  terms: readonly string[],
  code: 'BAD_PARTITION_SPEC' | 'BAD_SORT_ORDER',
): void {
  if (Array.isArray(terms) && terms.every((term) => typeof term === 'string')) return
  throw new FloeError(code, `${option} has to be a list of texts, such as ['region']`)
}

/** Sort order from texts such as `ts desc nulls last` or `bucket(16, id)`. @throws BAD_SORT_ORDER, NO_SUCH_COLUMN */
export function sortOrderFromText(
  terms: readonly string[],
  schema: Schema,
  orderId = 1,
): SortOrder {
  checkTerms('sortBy', terms, 'BAD_SORT_ORDER')
  const fields = terms.map((term): SortField => {
    const match = /^(.*?)(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?$/i.exec(term.trim())
    const { column, transform } = parseTerm(match?.[1] ?? term, 'BAD_SORT_ORDER')
    const entry = schema.requireByName(column)
    if (!canTransform(transform, entry.field.type) || entry.repeated) {
      throw new FloeError(
        'BAD_SORT_ORDER',
        `Cannot sort by "${term}": ${transformText(transform)} does not take a ${typeText(entry.field.type)}`,
        { context: { column } },
      )
    }
    const direction = (match?.[2] ?? 'asc').toLowerCase() as 'asc' | 'desc'
    const nulls = match?.[3]?.toLowerCase() ?? (direction === 'asc' ? 'first' : 'last')
    return {
      sourceIds: [entry.field.id],
      transform,
      direction,
      nullOrder: nulls === 'first' ? 'nulls-first' : 'nulls-last',
    }
  })
  return { orderId: fields.length === 0 ? 0 : orderId, fields }
}

/**
 * Checks that a spec can be written with a schema.
 * @throws BAD_PARTITION_SPEC naming the field; UNSUPPORTED_TRANSFORM for an unknown transform.
 */
export function checkPartitionSpec(spec: PartitionSpec, schema: Schema): void {
  const names = new Set<string>()
  const seen = new Set<string>()
  for (const field of spec.fields) {
    if (field.transform.kind === 'unknown') {
      throw new FloeError(
        'UNSUPPORTED_TRANSFORM',
        `Cannot write under the partition transform "${field.transform.text}", which is not known`,
        { context: { partition: field.name } },
      )
    }
    if (field.name === '' || names.has(field.name)) {
      throw bad(field.name, 'has an empty name or the name of another partition field')
    }
    names.add(field.name)
    const clash = schema.findByName(field.name)
    if (
      clash !== undefined &&
      !(field.transform.kind === 'identity' && clash.field.id === field.sourceIds[0])
    ) {
      throw bad(
        field.name,
        'has the name of a column. Only identity fields share the name of their column; give it another with "as"',
      )
    }
    const identity = `${field.sourceIds.join(',')}:${transformText(field.transform)}`
    if (seen.has(identity)) throw bad(field.name, 'repeats another partition field')
    seen.add(identity)
    if (field.transform.kind === 'void') continue
    checkSource(field, schema)
  }
}

/** Of the time transforms a column needs one: the days tell the months and years. */
function checkRedundant(fields: readonly PartitionField[]): void {
  const names = new Map<number, string>()
  for (const field of fields) {
    if (!TIME_TRANSFORMS.has(field.transform.kind)) continue
    const sourceId = field.sourceIds[0] as number
    const other = names.get(sourceId)
    if (other !== undefined) {
      throw bad(field.name, `repeats what "${other}" says. Keep the finer of the two`)
    }
    names.set(sourceId, field.name)
  }
}

const TIME_TRANSFORMS: ReadonlySet<string> = new Set(['year', 'month', 'day', 'hour'])

function checkSource(field: PartitionField, schema: Schema): void {
  for (const sourceId of field.sourceIds) {
    const entry = schema.findById(sourceId)
    if (entry === undefined) throw bad(field.name, `has the source ${sourceId}, not a column`)
    if (entry.repeated) throw bad(field.name, 'has a source inside a list or map')
    if (!canTransform(field.transform, entry.field.type)) {
      throw bad(
        field.name,
        `cannot apply ${transformText(field.transform)} to "${entry.path.join('.')}" of type ${typeText(entry.field.type)}`,
      )
    }
  }
}

interface Term {
  readonly column: string
  readonly transform: Transform
  readonly name: string
}

/** `column`, `transform(column)`, `bucket(16, column)` or `bucket[16](column)`; with `as name` if it may have one. */
function parseTerm(term: string, code: 'BAD_PARTITION_SPEC' | 'BAD_SORT_ORDER'): Term {
  const alias = code === 'BAD_PARTITION_SPEC' ? ALIAS.exec(term.trim()) : null
  const text = alias === null ? term.trim() : (alias[1] as string)
  const call = CALL.exec(text)
  if (call === null) {
    const column = unquoted(text)
    if (column === '' || (column === text && /[()`]/.test(text))) throw badTerm(term, code)
    return { column, transform: { kind: 'identity' }, name: alias?.[2] ?? column }
  }
  const parameters = [call[2], call[3], call[5]].filter((p) => p !== undefined)
  // `days(ts)` is how Spark spells `day(ts)`.
  const kind = (call[1] as string).toLowerCase().replace(/s$/, '')
  const transform = transformFromText(
    parameters.length === 0 ? kind : `${kind}[${parameters.join(',')}]`,
  )
  if (transform.kind === 'unknown') throw badTerm(term, code)
  const column = unquoted(call[4] as string)
  return { column, transform, name: alias?.[2] ?? defaultName(column, transform) }
}

const ALIAS = /^(.*\S)\s+as\s+([^\s`()]+)$/i
const CALL =
  /^([a-z]+)(?:\[(\d+)\])?\s*\(\s*(?:(\d+)\s*,\s*)?(`[^`]+`|[^(),`]*[^(),`\s])\s*(?:,\s*(\d+)\s*)?\)$/i

/** A name in back-quotes may hold anything but a back-quote. */
function unquoted(text: string): string {
  return /^`[^`]+`$/.test(text) ? text.slice(1, -1) : text
}

function badTerm(term: string, code: 'BAD_PARTITION_SPEC' | 'BAD_SORT_ORDER'): FloeError {
  return new FloeError(
    code,
    `Cannot read "${term}": write a column, or one of year(c), month(c), day(c), hour(c), bucket(n, c), truncate(w, c), void(c), where c is a column, in back-quotes if its name is not plain`,
  )
}

function defaultName(column: string, transform: Transform): string {
  switch (transform.kind) {
    case 'identity':
      return column
    case 'truncate':
      return `${column}_trunc`
    case 'void':
      return `${column}_null`
    default:
      return `${column}_${transform.kind}`
  }
}

function bad(name: string, why: string): FloeError {
  return new FloeError('BAD_PARTITION_SPEC', `Partition field "${name}" ${why}`, {
    context: { partition: name },
  })
}
