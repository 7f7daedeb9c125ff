/** Sort orders from and to JSON. Iceberg spec §Appendix C (iceberg-writer.md items 8, 16). */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { keepUnknown, withUnknown } from './json-fields.ts'
import { sourceIdsFromJson, sourceIdsToJson, transformOf } from './partition-spec-json.ts'
import type { SortOrder } from './sort-order.ts'
import { transformText } from './transform-text.ts'

/** @throws BAD_METADATA, BAD_JSON */
export function sortOrderFromJson(json: JsonValue | undefined, what: string): SortOrder {
  const object = asObject(json, what)
  return {
    orderId: asInt(object['order-id'], `${what}.order-id`),
    fields: asArray(object['fields'], `${what}.fields`).map((item) => {
      const field = asObject(item, `${what}.fields[]`)
      const direction = asString(field['direction'], `${what}.direction`).toLowerCase()
      const nullOrder = asString(field['null-order'], `${what}.null-order`).toLowerCase()
      if (direction !== 'asc' && direction !== 'desc') throw bad(what, `direction ${direction}`)
      if (nullOrder !== 'nulls-first' && nullOrder !== 'nulls-last') {
        throw bad(what, `null order ${nullOrder}`)
      }
      const sourceIds = sourceIdsFromJson(field, `${what}.fields[]`)
      return {
        sourceIds,
        transform: transformOf(asString(field['transform'], `${what}.transform`), sourceIds),
        direction,
        nullOrder,
        ...keepUnknown(field, FIELD_KEYS),
      }
    }),
    ...keepUnknown(object, ORDER_KEYS),
  }
}

export function sortOrderToJson(order: SortOrder): JsonObject {
  const out = jsonObject()
  out['order-id'] = order.orderId
  out['fields'] = order.fields.map((field) => {
    const item = jsonObject()
    item['transform'] = transformText(field.transform)
    sourceIdsToJson(item, field.sourceIds)
    item['direction'] = field.direction
    item['null-order'] = field.nullOrder
    return withUnknown(item, field.unknown)
  })
  return withUnknown(out, order.unknown)
}

function bad(what: string, why: string): FloeError {
  return new FloeError('BAD_METADATA', `Cannot read ${what}: there is no ${why}`, {
    context: { field: what },
  })
}

const ORDER_KEYS: ReadonlySet<string> = new Set(['order-id', 'fields'])
const FIELD_KEYS: ReadonlySet<string> = new Set([
  'transform',
  'source-id',
  'source-ids',
  'direction',
  'null-order',
])
