/**
 * Rows of a batch → groups of one partition each, computed column by column with the transforms of a partition
 * spec. Iceberg spec §Partitioning; iceberg-writer.md items 63, 104–107.
 */
import type { Data, Field, RecordBatch } from 'apache-arrow'
import { assert, FloeError } from '../../core/errors.ts'
import type { PartitionSpec } from '../spec/partition-spec.ts'
import type { Schema } from '../spec/schema.ts'
import type { Transform } from '../spec/transform.ts'
import { canTransform } from '../spec/transforms.ts'
import { isPrimitive, type PrimitiveType } from '../spec/types.ts'
import type { Value } from '../spec/value.ts'
import { partitionKey } from '../spec/value-compare.ts'
import { fieldIdOf } from './arrow-schema.ts'
import { type Codes, combineCodes } from './codes.ts'
import { partitionCodes } from './partition-codes.ts'
import { bothValid, type Mask, ownValidity } from './validity.ts'

/** The rows of one partition, in the order of the batch. */
export interface PartitionGroup {
  /** One value for each field of the spec. */
  readonly values: readonly Value[]
  /** Equal for equal tuples, and only for them: a map key. */
  readonly key: string
  readonly indices: Int32Array
}

interface Source {
  readonly transform: Transform
  readonly type: PrimitiveType
  /** Field ids from the root to the source column. */
  readonly idPath: readonly number[]
}

/** Splits batches of one table by one partition spec. */
export class PartitionSplitter {
  readonly #sources: readonly Source[]

  /**
   * @throws UNSUPPORTED_TRANSFORM for a transform that this version does not know; BAD_PARTITION_SPEC if a source
   *   column is missing, or of a type that its transform does not take.
   */
  constructor(schema: Schema, spec: PartitionSpec) {
    this.#sources = spec.fields.map((field) => {
      const { transform, sourceIds, name } = field
      if (transform.kind === 'unknown' || sourceIds.length !== 1) {
        const text = transform.kind === 'unknown' ? transform.text : transform.kind
        throw new FloeError(
          'UNSUPPORTED_TRANSFORM',
          `Cannot write rows under partition field "${name}": its transform "${text}" of ${sourceIds.length} ` +
            'columns is not known. Change the partition spec first',
          { context: { field: name, transform: text } },
        )
      }
      const entry = schema.findById(sourceIds[0] as number)
      const type = entry?.field.type
      const fits = type !== undefined && isPrimitive(type) && canTransform(transform, type)
      if (entry === undefined || !fits || entry.repeated) {
        throw new FloeError(
          'BAD_PARTITION_SPEC',
          `Cannot write rows under partition field "${name}": ${transform.kind} cannot be taken of column ` +
            `${entry?.path.join('.') ?? `with field id ${sourceIds[0]}, which is not there`}. ` +
            'Change the partition spec first',
          { context: { field: name, sourceId: sourceIds[0] as number } },
        )
      }
      return { transform, type, idPath: entry.idPath }
    })
  }

  /**
   * The groups of a batch of the table's Arrow schema for writing, in order of their first rows.
   * @throws VALUE_OUT_OF_RANGE where a truncate transform would leave the type.
   */
  groups(batch: RecordBatch): PartitionGroup[] {
    if (batch.numRows === 0) return []
    let tuples: Codes<readonly Value[]> = {
      codes: new Int32Array(batch.numRows),
      values: [[]],
    }
    for (const source of this.#sources) {
      const { data, valid } = findColumn(batch, source.idPath)
      const results = partitionCodes(source.transform, source.type, data, valid)
      tuples = combineCodes(tuples, results, (tuple, value) => [...tuple, value])
    }
    return gather(tuples)
  }
}

/** A column by field ids, and where neither it nor a struct above it is null. */
function findColumn(
  batch: RecordBatch,
  idPath: readonly number[],
): { data: Data; valid: Mask | undefined } {
  let data = batch.data as unknown as Data
  let fields: readonly Field[] = batch.schema.fields
  let valid: Mask | undefined
  for (const id of idPath) {
    const at = fields.findIndex((field) => fieldIdOf(field) === id)
    assert(at >= 0, 'a partition source is a column of the batch', { fieldId: id })
    data = data.children[at] as Data
    valid = bothValid(valid, ownValidity(data), batch.numRows)
    fields = (fields[at] as Field).type.children ?? []
  }
  return { data, valid }
}

function gather({ codes, values }: Codes<readonly Value[]>): PartitionGroup[] {
  const ends = new Int32Array(values.length)
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number
    ends[code] = (ends[code] as number) + 1
  }
  let total = 0
  for (let code = 0; code < ends.length; code++) {
    const count = ends[code] as number
    ends[code] = total
    total += count
  }
  // From here on, ends[code] is where the next row of the group goes.
  const starts = ends.slice()
  const indices = new Int32Array(codes.length)
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number
    const at = ends[code] as number
    indices[at] = i
    ends[code] = at + 1
  }
  return values.map((tuple, code) => ({
    values: tuple,
    key: partitionKey(tuple),
    indices: indices.subarray(starts[code], ends[code]),
  }))
}
