/** The updates of partition specs and sort orders (items 7, 8, 17–19). */
import { FloeError } from '../../../core/errors.ts'
import { stringifyJson } from '../../../core/json.ts'
import type { TableMetadata } from '../metadata.ts'
import type { PartitionField, PartitionSpec } from '../partition-spec.ts'
import { checkPartitionSpec } from '../partition-spec-builder.ts'
import { partitionFieldsToJson } from '../partition-spec-json.ts'
import { type SortOrder, UNSORTED } from '../sort-order.ts'
import { sortOrderToJson } from '../sort-order-json.ts'
import { transformText } from '../transform-text.ts'
import { canTransform } from '../transforms.ts'
import { type Draft, highest, keepWhere, resolveLast, schemaOf } from './draft.ts'

/**
 * Adds a spec under the next id, or finds the equal one that is there.
 * @throws BAD_PARTITION_SPEC, UNSUPPORTED_TRANSFORM
 */
export function addSpec(draft: Draft, spec: PartitionSpec): void {
  const { m } = draft
  checkPartitionSpec(spec, schemaOf(m))
  const fields = withStableIds(m, spec.fields)
  m.lastPartitionId = highest(
    fields.map((field) => field.fieldId),
    m.lastPartitionId,
  )
  const key = fieldsKey(fields)
  const same = m.partitionSpecs.find((s) => fieldsKey(s.fields) === key)
  if (same !== undefined) {
    draft.lastAddedSpecId = same.specId
    return
  }
  const specId =
    1 +
    highest(
      m.partitionSpecs.map((s) => s.specId),
      -1,
    )
  m.partitionSpecs = [...m.partitionSpecs, { ...spec, specId, fields }]
  draft.lastAddedSpecId = specId
}

/**
 * Gives each field the id that an equivalent field of any spec has. A new field keeps its id if that was never given
 * before, and gets the next one otherwise (item 18). The void field that stands for a dropped one keeps its id.
 */
function withStableIds(
  m: TableMetadata,
  fields: readonly PartitionField[],
): readonly PartitionField[] {
  const known = m.partitionSpecs.flatMap((spec) => spec.fields)
  const taken = new Set<number>()
  const settled = fields.map((field): PartitionField | undefined => {
    const equivalent = known.find((k) => equivalenceKey(k) === equivalenceKey(field))
    const replaced = known.find(
      (k) =>
        field.transform.kind === 'void' &&
        k.fieldId === field.fieldId &&
        String(k.sourceIds) === String(field.sourceIds),
    )
    const fieldId =
      equivalent?.fieldId ??
      replaced?.fieldId ??
      (field.fieldId > m.lastPartitionId ? field.fieldId : undefined)
    if (fieldId === undefined || taken.has(fieldId)) return undefined
    taken.add(fieldId)
    return { ...field, fieldId }
  })
  let next = m.lastPartitionId
  return settled.map((field, i) => {
    if (field !== undefined) return field
    do next++
    while (taken.has(next))
    return { ...(fields[i] as PartitionField), fieldId: next }
  })
}

function equivalenceKey(field: PartitionField): string {
  return `${field.sourceIds.join(',')}:${transformText(field.transform)}`
}

function fieldsKey(fields: readonly PartitionField[]): string {
  return stringifyJson(partitionFieldsToJson(fields))
}

/** @throws BAD_PARTITION_SPEC if the spec does not exist. */
export function setDefaultSpec(draft: Draft, id: number): void {
  const specId = resolveLast(id, draft.lastAddedSpecId, 'partition spec')
  if (!draft.m.partitionSpecs.some((s) => s.specId === specId)) {
    throw new FloeError('BAD_PARTITION_SPEC', `There is no partition spec ${specId}`)
  }
  draft.m.defaultSpecId = specId
}

/** @throws BAD_PARTITION_SPEC for the default spec. */
export function removeSpecs(draft: Draft, ids: readonly number[]): void {
  const { m } = draft
  if (ids.includes(m.defaultSpecId)) {
    throw new FloeError('BAD_PARTITION_SPEC', 'Cannot remove the default partition spec')
  }
  m.partitionSpecs = keepWhere(m.partitionSpecs, (s) => !ids.includes(s.specId))
}

/**
 * Adds an order under the next id from 1 on, or finds the equal one that is there; without fields it is order 0.
 * @throws BAD_SORT_ORDER
 */
export function addSortOrder(draft: Draft, order: SortOrder): void {
  const { m } = draft
  const schema = schemaOf(m)
  for (const field of order.fields) {
    for (const sourceId of field.sourceIds) {
      const entry = schema.findById(sourceId)
      if (
        entry === undefined ||
        entry.repeated ||
        !canTransform(field.transform, entry.field.type)
      ) {
        throw new FloeError(
          'BAD_SORT_ORDER',
          `Cannot sort by column ${sourceId} with ${transformText(field.transform)}`,
          { context: { fieldId: sourceId } },
        )
      }
    }
  }
  const key = orderKey(order)
  const same = m.sortOrders.find((s) => orderKey(s) === key)
  if (same !== undefined) {
    draft.lastAddedOrderId = same.orderId
    return
  }
  const orderId =
    order.fields.length === 0
      ? UNSORTED.orderId
      : 1 +
        highest(
          m.sortOrders.map((s) => s.orderId),
          UNSORTED.orderId,
        )
  m.sortOrders = [...m.sortOrders, { ...order, orderId }]
  draft.lastAddedOrderId = orderId
}

function orderKey(order: SortOrder): string {
  return stringifyJson({ ...sortOrderToJson(order), 'order-id': 0 })
}

/** @throws BAD_SORT_ORDER if the order does not exist. */
export function setDefaultSortOrder(draft: Draft, id: number): void {
  const orderId = resolveLast(id, draft.lastAddedOrderId, 'sort order')
  if (!draft.m.sortOrders.some((s) => s.orderId === orderId)) {
    throw new FloeError('BAD_SORT_ORDER', `There is no sort order ${orderId}`)
  }
  draft.m.defaultSortOrderId = orderId
}

/**
 * The sources of the default spec and order must be columns of the current schema: without them the table cannot be
 * read elsewhere (item 19).
 * @throws BAD_SCHEMA_CHANGE if the schema changed, else BAD_PARTITION_SPEC or BAD_SORT_ORDER.
 */
export function checkSources(draft: Draft): void {
  const { m, base } = draft
  const schema = schemaOf(m)
  const schemaChanged = base !== null && base.currentSchemaId !== m.currentSchemaId
  const fails = (field: PartitionField | SortOrder['fields'][number]): number | undefined => {
    const { kind } = field.transform
    if (kind === 'void' || kind === 'unknown') return undefined
    return field.sourceIds.find((id) => {
      const type = schema.findById(id)?.field.type
      return type === undefined || !canTransform(field.transform, type)
    })
  }
  for (const field of m.partitionSpecs.find((s) => s.specId === m.defaultSpecId)?.fields ?? []) {
    const fieldId = fails(field)
    if (fieldId === undefined) continue
    throw new FloeError(
      schemaChanged ? 'BAD_SCHEMA_CHANGE' : 'BAD_PARTITION_SPEC',
      `Cannot drop or change column ${fieldId}: the partition field "${field.name}" is made from it. Change the partition spec first`,
      { context: { fieldId, partition: field.name } },
    )
  }
  for (const field of m.sortOrders.find((s) => s.orderId === m.defaultSortOrderId)?.fields ?? []) {
    const fieldId = fails(field)
    if (fieldId === undefined) continue
    throw new FloeError(
      schemaChanged ? 'BAD_SCHEMA_CHANGE' : 'BAD_SORT_ORDER',
      `Cannot drop or change column ${fieldId}: the table is sorted by it. Change the sort order first`,
      { context: { fieldId } },
    )
  }
}
