/**
 * Writes deleted positions: on v3 as deletion vectors, all of a commit in one Puffin file; on v2 as position delete
 * files, one for each data file. iceberg-writer.md §G, §H.
 */
import { parallelMap } from '../../../core/concurrency.ts'
import { uuidV4 } from '../../../core/runtime.ts'
import { VERSION } from '../../../core/version.ts'
import { joinLocation } from '../../../io/location.ts'
import { arrow, loadArrow } from '../../columns/arrow.ts'
import { toArrowSchema } from '../../columns/arrow-schema.ts'
import { columnData } from '../../columns/column-data.ts'
import type { MetricsModes } from '../../columns/metrics-mode.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { openParquetWriter } from '../../parquet/writer.ts'
import { DELETION_VECTOR_BLOB, encodeDeletionVector } from '../../puffin/deletion-vector.ts'
import type { PositionBitmap } from '../../puffin/position-bitmap.ts'
import { encodePuffin } from '../../puffin/puffin-file.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { Schema } from '../../spec/schema.ts'
import { keepVector } from '../deletes/delete-loader.ts'
import {
  DELETE_FILE_PATH,
  DELETE_FILE_PATH_ID,
  DELETE_POS,
  DELETE_POS_ID,
  POS_COLUMN,
} from '../deletes/reserved-fields.ts'
import { type Environment, requestOptions } from '../environment.ts'
import { dataFolder, partitionPath } from '../locations.ts'
import { currentSchema, specById } from '../table-state.ts'

/** All deleted positions of one data file. */
export interface DeletedRows {
  readonly file: ContentFile
  /** Not empty. */
  readonly positions: PositionBitmap
}

export interface DeleteWriterOptions {
  readonly metadata: TableMetadata
  readonly signal: AbortSignal | undefined
  /** Told of each path before it is written. */
  readonly wrote: (path: string) => void
  /** Told of each file that is on its way; who commits waits for it. */
  readonly writing: (put: Promise<unknown>) => void
}

/** Writes deletion vectors (v3) and gives their entries. */
export function writeVectors(
  env: Environment,
  deleted: readonly DeletedRows[],
  options: DeleteWriterOptions,
): readonly ContentFile[] {
  if (deleted.length === 0) return []
  const path = joinLocation(
    dataFolder(options.metadata),
    `00000-${uuidV4(env.runtime)}-deletes.puffin`,
  )
  const puffin = encodePuffin(
    deleted.map(({ file, positions }) => ({
      type: DELETION_VECTOR_BLOB,
      fields: [POS_COLUMN.id],
      // Inherited from the manifest entry, which is not known here (item 89).
      snapshotId: -1n,
      sequenceNumber: -1,
      properties: {
        'referenced-data-file': file.filePath,
        cardinality: String(positions.cardinality),
      },
      bytes: encodeDeletionVector(positions),
    })),
    { 'created-by': `floe ${VERSION}` },
  )
  options.wrote(path)
  options.writing(env.store.put(path, puffin.bytes, requestOptions(options.signal)))
  return deleted.map(({ file, positions }, i): ContentFile => {
    const { offset, length } = puffin.blobs[i] as { offset: number; length: number }
    const vector: ContentFile = {
      content: 'position-deletes',
      filePath: path,
      fileFormat: 'PUFFIN',
      specId: file.specId,
      partition: file.partition,
      recordCount: positions.cardinality,
      fileSizeBytes: puffin.bytes.length,
      referencedDataFile: file.filePath,
      contentOffset: offset,
      contentSizeBytes: length,
    }
    keepVector(env, vector, positions)
    return vector
  })
}

/** Writes a position delete file for each data file (v2) and gives their entries. */
export async function writePositionDeletes(
  env: Environment,
  deleted: readonly DeletedRows[],
  options: DeleteWriterOptions,
): Promise<readonly ContentFile[]> {
  await loadArrow()
  return parallelMap(deleted, env.pool.size * 2, (rows) => writeOne(env, rows, options))
}

const SCHEMA: Schema = new Schema({ schemaId: 0, fields: [DELETE_FILE_PATH, DELETE_POS] })
/** Readers tell from bounds that are whole and equal which file the deletes are about (item 83). */
const MODES: MetricsModes = new Map([
  [DELETE_FILE_PATH_ID, { kind: 'full' }],
  [DELETE_POS_ID, { kind: 'full' }],
])
/** Rows of a batch that is written. */
const BATCH_ROWS = 65_536

async function writeOne(
  env: Environment,
  { file, positions }: DeletedRows,
  options: DeleteWriterOptions,
): Promise<ContentFile> {
  const { metadata, signal } = options
  const spec = specById(metadata, file.specId)
  const folder = joinLocation(
    dataFolder(metadata),
    ...(spec.fields.length === 0
      ? []
      : [partitionPath(spec, currentSchema(metadata), file.partition)]),
  )
  const path = joinLocation(folder, `00000-${uuidV4(env.runtime)}-deletes.parquet`)
  options.wrote(path)
  const writer = await openParquetWriter({
    writer: await env.store.openWriter(path, requestOptions(signal)),
    schema: SCHEMA,
    pool: env.pool,
    modes: MODES,
    properties: metadata.properties,
    signal,
  })
  try {
    const all = positions.toArray()
    for (let from = 0; from < all.length; from += BATCH_ROWS) {
      await writer.write(deleteBatch(file.filePath, all.subarray(from, from + BATCH_ROWS)))
    }
    const result = await writer.close()
    env.deletes.set(
      path,
      new Map([[env.canonicalPath(file.filePath), positions]]),
      400 + 2 * positions.cardinality,
    )
    return {
      content: 'position-deletes',
      filePath: path,
      fileFormat: 'PARQUET',
      specId: file.specId,
      partition: file.partition,
      recordCount: result.recordCount,
      fileSizeBytes: result.sizeBytes,
      columnSizes: result.columnSizes,
      ...result.metrics,
      splitOffsets: result.splitOffsets,
      referencedDataFile: file.filePath,
    }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function deleteBatch(path: string, positions: Float64Array): import('apache-arrow').RecordBatch {
  const { RecordBatch, Struct } = arrow()
  const schema = toArrowSchema(SCHEMA, 'write')
  const { length } = positions
  const text = Buffer.from(path)
  const values = new Uint8Array(text.length * length)
  const offsets = new Int32Array(length + 1)
  const longs = new BigInt64Array(length)
  for (let i = 0; i < length; i++) {
    values.set(text, i * text.length)
    offsets[i + 1] = (i + 1) * text.length
    longs[i] = BigInt(positions[i] as number)
  }
  const [pathField, posField] = schema.fields as [
    (typeof schema.fields)[number],
    (typeof schema.fields)[number],
  ]
  const data = columnData(new Struct(schema.fields), {
    length,
    nullCount: 0,
    children: [
      columnData(pathField.type, { length, nullCount: 0, offsets, values }),
      columnData(posField.type, { length, nullCount: 0, values: longs }),
    ],
  })
  return new RecordBatch(schema, data as never)
}
