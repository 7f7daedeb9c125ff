/**
 * Parsed Avro schemas by their text. All manifests of a partition spec state the same one, which takes longer to parse
 * than the entries of a small manifest take to read.
 */
import type { Limits } from '../../core/limits.ts'
import { LruCache } from '../../core/lru.ts'
import { type AvroType, parseAvroSchema } from './avro-schema.ts'

/**
 * The schema of a text: the same object for the same text, as long as it is remembered.
 * @param file names the file in errors.
 * @throws see `parseAvroSchema`
 */
export function avroSchemaOf(text: Uint8Array, file: string, limits: Limits): AvroType {
  const { buffer, byteOffset, byteLength } = text
  // Larger limits accept what smaller ones refuse. Latin-1 has a character for each byte, so no two texts meet.
  const bytes = Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
  const key = `${limits.nestingDepth} ${limits.schemaFields} ${bytes}`
  const known = schemas.get(key)
  if (known !== undefined) return known
  const schema = parseAvroSchema(text, file, limits)
  schemas.set(key, schema, byteLength * BYTES_PER_CHARACTER)
  return schema
}

/** Memory that a character of a text comes to, as a key and parsed: measured at 5 for a manifest's. */
const BYTES_PER_CHARACTER = 8
/** Those of some hundred tables. A text that would need more than all of it is parsed each time. */
const MAX_BYTES = 4 * 1024 * 1024

/** For the process: schemas are immutable and name neither a file nor a store. */
const schemas = new LruCache<string, AvroType>(MAX_BYTES)
