/** The updates of schemas (items 6, 19, 20). */
import { FloeError } from '../../../core/errors.ts'
import { stringifyJson } from '../../../core/json.ts'
import { Schema } from '../schema.ts'
import { checkSchema, MAX_FIELD_ID } from '../schema-checks.ts'
import { schemaToJson } from '../schema-json.ts'
import { type Draft, highest, keepWhere, resolveLast } from './draft.ts'

/**
 * Adds a schema under the next id, or finds the equal one that is there. `last-column-id` never goes down.
 * @throws BAD_SCHEMA, FORMAT_VERSION
 */
export function addSchema(draft: Draft, schema: Schema, lastColumnId = 0): void {
  const { m } = draft
  const current = m.schemas.find((s) => s.schemaId === m.currentSchemaId)
  checkSchema(schema, m.formatVersion, current)
  if (!Number.isInteger(lastColumnId) || lastColumnId > MAX_FIELD_ID) {
    throw new FloeError('BAD_SCHEMA', `last-column-id ${lastColumnId} is above ${MAX_FIELD_ID}`)
  }
  m.lastColumnId = Math.max(m.lastColumnId, lastColumnId, schema.highestFieldId())
  const key = schemaKey(schema)
  const same = m.schemas.find((s) => schemaKey(s) === key)
  if (same !== undefined) {
    draft.lastAddedSchemaId = same.schemaId
    return
  }
  const schemaId =
    1 +
    highest(
      m.schemas.map((s) => s.schemaId),
      -1,
    )
  const { fields, identifierFieldIds, unknown } = schema
  m.schemas = [...m.schemas, new Schema({ schemaId, fields, identifierFieldIds, unknown })]
  draft.lastAddedSchemaId = schemaId
}

/** Equal schemas have equal keys; the id is not part of it. */
function schemaKey(schema: Schema): string {
  return stringifyJson({ ...schemaToJson(schema), 'schema-id': 0 })
}

/** @throws BAD_SCHEMA if the schema does not exist. */
export function setCurrentSchema(draft: Draft, id: number): void {
  const schemaId = resolveLast(id, draft.lastAddedSchemaId, 'schema')
  if (!draft.m.schemas.some((s) => s.schemaId === schemaId)) {
    throw new FloeError('BAD_SCHEMA', `There is no schema ${schemaId}`)
  }
  draft.m.currentSchemaId = schemaId
}

/** @throws BAD_SCHEMA_CHANGE for the current schema. */
export function removeSchemas(draft: Draft, ids: readonly number[]): void {
  const { m } = draft
  if (ids.includes(m.currentSchemaId)) {
    throw new FloeError('BAD_SCHEMA_CHANGE', 'Cannot remove the current schema')
  }
  m.schemas = keepWhere(m.schemas, (s) => !ids.includes(s.schemaId))
}
