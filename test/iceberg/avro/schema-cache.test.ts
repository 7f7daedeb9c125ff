/** Schemas that are parsed once: the same text gives the same object, and nothing else does. */
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { parseAvroSchema } from '../../../src/iceberg/avro/avro-schema.ts'
import { avroSchemaOf } from '../../../src/iceberg/avro/schema-cache.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const record = (field: string, more = ''): string =>
  `{"type":"record","name":"r","fields":[{"name":"${field}","type":"int"}${more}]}`

describe('remembered Avro schemas', () => {
  it('are one object for one text, whatever file and buffer it comes from', () => {
    const first = avroSchemaOf(bytesOf(record('once')), 'a.avro', DEFAULT_LIMITS)
    const embedded = bytesOf(`..${record('once')}..`).subarray(2, -2)
    expect(avroSchemaOf(embedded, 'b.avro', DEFAULT_LIMITS)).toBe(first)
    expect(first).toEqual(parseAvroSchema(bytesOf(record('once')), 'a.avro', DEFAULT_LIMITS))
  })

  it('differ where any byte of the text does', () => {
    const fields = ['a', 'b', 'é', 'e', '\u00c3\u00a9']
    for (const field of fields) {
      const schema = avroSchemaOf(bytesOf(record(field)), 'a.avro', DEFAULT_LIMITS)
      expect(schema).toMatchObject({ fields: [{ name: field }] })
    }
  })

  it('are refused by smaller limits although larger ones have accepted them', () => {
    const text = bytesOf(record('x', ',{"name":"y","type":"int"}'))
    avroSchemaOf(text, 'a.avro', DEFAULT_LIMITS)
    const limits = resolveLimits({ schemaFields: 2 })
    expect(() => avroSchemaOf(text, 'b.avro', limits)).toThrow(/b\.avro/)
  })

  it('name the file at hand in errors, each time', () => {
    for (const file of ['a.avro', 'b.avro']) {
      expect(() => avroSchemaOf(bytesOf('{"type":"nope"}'), file, DEFAULT_LIMITS)).toThrow(file)
    }
  })

  it('are parsed each time where they would fill the cache alone', () => {
    const text = bytesOf(record('doc', `],"doc":"${'x'.repeat(600_000)}","aliases":[`))
    const first = avroSchemaOf(text, 'a.avro', DEFAULT_LIMITS)
    expect(avroSchemaOf(text, 'a.avro', DEFAULT_LIMITS)).toEqual(first)
    expect(avroSchemaOf(text, 'a.avro', DEFAULT_LIMITS)).not.toBe(first)
  })
})
