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
 * A spec from one text per field: `region`, `day(ts)`, `bucket(16, id)`, `truncate(4, item)`.
 * Names follow the reference implementation: `ts_day`, `id_bucket`, `item_trunc`, `region`.
 * @throws BAD_PARTITION_SPEC, NO_SUCH_COLUMN
 */
export function partitionSpecFromText(
  terms: readonly string[],
  schema: Schema,
  specId = 0,
): PartitionSpec {
  const fields = terms.map((term, i): PartitionField => {
    const { column, transform } = parseTerm(term, 'BAD_PARTITION_SPEC')
    const sourceId = schema.requireByName(column).field.id
    return {
      sourceIds: [sourceId],
      fieldId: FIRST_PARTITION_FIELD_ID + i,
      name: defaultName(column, transform),
      transform,
    }
  })
  const spec = { specId, fields }
  checkPartitionSpec(spec, schema)
  return spec
}

/** Sort order from texts such as `ts desc nulls last` or `bucket(16, id)`. @throws BAD_SORT_ORDER, NO_SUCH_COLUMN */
export function sortOrderFromText(
  terms: readonly string[],
  schema: Schema,
  orderId = 1,
): SortOrder {
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
        'has the name of a column. Only identity fields share their column’s name',
      )
    }
    const identity = `${field.sourceIds.join(',')}:${transformText(field.transform)}`
    if (seen.has(identity)) throw bad(field.name, 'repeats another partition field')
    seen.add(identity)
    if (field.transform.kind === 'void') continue
    checkSource(field, schema)
  }
}

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

function parseTerm(
  term: string,
  code: 'BAD_PARTITION_SPEC' | 'BAD_SORT_ORDER',
): { column: string; transform: Transform } {
  const text = term.trim()
  const call = /^([a-z]+)s?\s*\(\s*(?:(\d+)\s*,\s*)?([^(),]+?)\s*(?:,\s*(\d+)\s*)?\)$/i.exec(text)
  if (call === null) {
    if (text === '' || /[()]/.test(text)) throw badTerm(term, code)
    return { column: text, transform: { kind: 'identity' } }
  }
  const name = (call[1] as string).toLowerCase().replace(/s$/, '')
  const parameter = call[2] ?? call[4]
  const transform = transformFromText(parameter === undefined ? name : `${name}[${parameter}]`)
  if (transform.kind === 'unknown') throw badTerm(term, code)
  return { column: call[3] as string, transform }
}

function badTerm(term: string, code: 'BAD_PARTITION_SPEC' | 'BAD_SORT_ORDER'): FloeError {
  return new FloeError(
    code,
    `Cannot read "${term}": write a column, or one of year(c), month(c), day(c), hour(c), bucket(n, c), truncate(w, c), void(c)`,
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
