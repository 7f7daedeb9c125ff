/**
 * The value of the key `ARROW:schema` for files with INT96 timestamps. These have nanoseconds, which as 64-bit
 * integers end in the year 2262; told so by an Arrow schema, the decoder delivers microseconds instead.
 */
import type { Field } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { arrow } from '../columns/arrow.ts'
import { toArrowField } from '../columns/arrow-schema.ts'
import type { Projection } from './projection.ts'

/** An encapsulated IPC schema message in base64. Needs apache-arrow to be loaded. */
export function arrowSchemaHint(projection: Projection, path: string): string {
  const { RecordBatchStreamWriter, Schema, Table } = arrow()
  const fields = projection.columns.map((column): Field => {
    // The schema has to have the decoder's fields one for one: those read beside the wanted ones are not in it.
    if (hasPlaceholder(column)) {
      throw new FloeError(
        'UNSUPPORTED_TYPE',
        `Cannot read column "${column.field.name}" of ${path}: it is a struct none of whose wanted ` +
          'fields the file has, beside timestamps of type INT96. Leave the column out of the projection',
        { context: { column: column.field.name, file: path } },
      )
    }
    return toArrowField(column.field, 'read', [])
  })
  const stream = RecordBatchStreamWriter.writeAll(new Table(new Schema(fields))).toUint8Array(true)
  const message = stream.subarray(0, stream.length - END_OF_STREAM_BYTES)
  return Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('base64')
}

const END_OF_STREAM_BYTES = 8

function hasPlaceholder(column: Projection['columns'][number]): boolean {
  return column.placeholder === true || column.children.some(hasPlaceholder)
}
