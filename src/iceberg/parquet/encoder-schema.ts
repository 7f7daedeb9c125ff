/** The Arrow schema under which the encoder is given columns. */
import type { Schema as ArrowSchema } from 'apache-arrow'
import { toArrowSchema } from '../columns/arrow-schema.ts'
import { Schema } from '../spec/schema.ts'
import type { NestedField, Type } from '../spec/types.ts'

/**
 * The table's Arrow schema for writing, but for decimals of one digit: the encoder stores these in 64 bits, where the
 * format wants 32 (iceberg-writer.md item 65). As decimals of two digits they come out right; the footer, which
 * is ours, has the true precision.
 * @throws UNSUPPORTED_TYPE
 */
export function encoderSchema(schema: Schema): ArrowSchema {
  const fields = schema.fields.map(widenField)
  return toArrowSchema(new Schema({ schemaId: schema.schemaId, fields }), 'write')
}

function widenField(field: NestedField): NestedField {
  return { ...field, type: widen(field.type) }
}

function widen(type: Type): Type {
  switch (type.kind) {
    case 'decimal':
      return type.precision === 1 ? { ...type, precision: 2 } : type
    case 'struct':
      return { ...type, fields: type.fields.map(widenField) }
    case 'list':
      return { ...type, element: widen(type.element) }
    case 'map':
      return { ...type, key: widen(type.key), value: widen(type.value) }
    default:
      return type
  }
}
