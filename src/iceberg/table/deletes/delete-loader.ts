/**
 * Reads delete files: deletion vectors by their range of a Puffin file, position delete files as a bitmap for each
 * data file that they name. What is read is kept in the environment's cache: delete files never change.
 */
import type { Data } from 'apache-arrow'
import { FloeError } from '../../../core/errors.ts'
import { checkLimit } from '../../../core/limits.ts'
import { loadArrow } from '../../columns/arrow.ts'
import { Conformer } from '../../columns/conform.ts'
import type { ContentFile, ManifestEntry } from '../../manifest/entry.ts'
import { parseNameMapping } from '../../parquet/name-mapping.ts'
import { decodeDeletionVector } from '../../puffin/deletion-vector.ts'
import { PositionBitmap } from '../../puffin/position-bitmap.ts'
import type { NestedField } from '../../spec/types.ts'
import { type Environment, requestOptions } from '../environment.ts'
import { openParquet } from '../open-parquet.ts'
import { type FileDeletes, isVector, referencedPath } from './delete-index.ts'
import {
  DELETE_FILE_PATH,
  DELETE_FILE_PATH_ID,
  DELETE_POS,
  DELETE_POS_ID,
} from './reserved-fields.ts'

/** What a position delete file says, by canonical path of the data file. */
export type PositionDeletes = ReadonlyMap<string, PositionBitmap>

/** Puffin files up to this size are read whole when one of their vectors is needed: its others follow. */
const WHOLE_PUFFIN_BYTES = 1024 * 1024

/** Reads deletes for one scan or one commit. */
export class DeleteLoader {
  readonly #env: Environment
  readonly #signal: AbortSignal | undefined
  readonly #puffins = new Map<string, Promise<Uint8Array>>()
  readonly #positionFiles = new Map<string, Promise<PositionDeletes>>()

  constructor(env: Environment, signal: AbortSignal | undefined) {
    this.#env = env
    this.#signal = signal
  }

  /**
   * Positions of a data file that vectors and position delete files delete; equality deletes are another matter.
   * Known vectors are given at once: a commit can touch hundreds.
   * @throws CORRUPT_DELETES, CHECKSUM_MISMATCH, CORRUPT_PARQUET, FILE_NOT_FOUND, LIMIT_EXCEEDED
   */
  positions(file: ContentFile, deletes: FileDeletes): PositionBitmap | Promise<PositionBitmap> {
    const { vector } = deletes
    if (vector === undefined) return this.#positionDeletes(file, deletes)
    const known = this.#env.deletes.get(vectorKey(vector.file)) as PositionBitmap | undefined
    return known === undefined
      ? this.#readVector(file, vector)
      : checkVector(file, vector.file, known)
  }

  async #positionDeletes(file: ContentFile, deletes: FileDeletes): Promise<PositionBitmap> {
    let all = PositionBitmap.EMPTY
    for (const entry of deletes.positions) {
      const found = await this.positionFile(entry.file)
      const own = found.get(this.#env.canonicalPath(file.filePath))
      if (own === undefined) continue
      if (own.last >= file.recordCount) {
        throw corrupt(
          entry.file,
          `it deletes row ${own.last} of ${file.filePath}, which has ${file.recordCount} rows`,
        )
      }
      all = all.union(own)
    }
    return all
  }

  /** All that a position delete file says. */
  positionFile(file: ContentFile): Promise<PositionDeletes> {
    const known = this.#env.deletes.get(file.filePath)
    if (known !== undefined && !(known instanceof PositionBitmap)) return Promise.resolve(known)
    let reading = this.#positionFiles.get(file.filePath)
    if (reading === undefined) {
      reading = this.#readPositionFile(file)
      this.#positionFiles.set(file.filePath, reading)
    }
    return reading
  }

  async #readVector(dataFile: ContentFile, { file }: ManifestEntry): Promise<PositionBitmap> {
    const { filePath, contentOffset, contentSizeBytes } = file
    if (contentOffset === undefined || contentSizeBytes === undefined) {
      throw corrupt(file, `the vector of ${dataFile.filePath} has no offset or no size`)
    }
    const { limits } = this.#env
    checkLimit(limits, 'deleteFileBytes', contentSizeBytes, `A deletion vector in ${filePath}`)
    const bytes = await this.#blob(file, contentOffset, contentSizeBytes)
    const positions = decodeDeletionVector(bytes, { file: filePath, limits })
    keepVector(this.#env, file, positions)
    return checkVector(dataFile, file, positions)
  }

  async #blob(file: ContentFile, offset: number, length: number): Promise<Uint8Array> {
    const { store } = this.#env
    const options = requestOptions(this.#signal)
    let bytes: Uint8Array
    if (file.fileSizeBytes <= WHOLE_PUFFIN_BYTES) {
      let whole = this.#puffins.get(file.filePath)
      if (whole === undefined) {
        whole = store.get(file.filePath, { maxBytes: this.#env.limits.deleteFileBytes, ...options })
        this.#puffins.set(file.filePath, whole)
      }
      bytes = (await whole).subarray(offset, offset + length)
    } else bytes = await store.get(file.filePath, { range: { offset, length }, ...options })
    if (bytes.length === length) return bytes
    throw corrupt(file, `it ends before the ${length} bytes at ${offset} that its manifest names`)
  }

  async #readPositionFile(file: ContentFile): Promise<PositionDeletes> {
    await loadArrow()
    const env = this.#env
    const { limits } = env
    checkLimit(limits, 'deleteFileBytes', file.fileSizeBytes, `The delete file ${file.filePath}`)
    checkLimit(limits, 'deleteFileBytes', file.recordCount * 8, `The delete file ${file.filePath}`)
    const positions = new Map<string, number[]>()
    const batches = readDeleteFile(env, file, [DELETE_FILE_PATH, DELETE_POS], this.#signal)
    let row = 0
    for await (const batch of batches) {
      const [paths, pos] = (batch.data as unknown as Data).children as [Data, Data]
      const words = pos.values as BigInt64Array
      let list: number[] | undefined
      let previous: Uint8Array | undefined
      const offsets = paths.valueOffsets as Int32Array
      const bytes = paths.values as Uint8Array
      for (let i = 0; i < batch.numRows; i++, row++) {
        const path = bytes.subarray(offsets[i] as number, offsets[i + 1] as number)
        // Rows are sorted by path: it is decoded once for each data file.
        if (list === undefined || previous === undefined || Buffer.compare(path, previous) !== 0) {
          previous = path
          const key = env.canonicalPath(Buffer.from(path).toString())
          list = positions.get(key) ?? []
          positions.set(key, list)
        }
        const position = Number(words[i])
        if (position < 0 || !Number.isSafeInteger(position)) {
          throw corrupt(file, `its row ${row} deletes position ${words[i]}`)
        }
        list.push(position)
      }
    }
    if (row !== file.recordCount) {
      throw corrupt(file, `it has ${row} rows, its manifest says ${file.recordCount}`)
    }
    const found = new Map([...positions].map(([path, list]) => [path, PositionBitmap.of(list)]))
    let weight = 100
    for (const [path, bitmap] of found) weight += 2 * path.length + weightOf(bitmap)
    env.deletes.set(file.filePath, found, weight)
    return found
  }
}

/** Batches of the columns of a delete file. @throws UNSUPPORTED_FILE_FORMAT and what reading Parquet fails with */
export async function* readDeleteFile(
  env: Environment,
  file: ContentFile,
  columns: readonly NestedField[],
  signal: AbortSignal | undefined,
): AsyncGenerator<import('apache-arrow').RecordBatch, void, undefined> {
  const opened = await openParquet(env, file, { nameMapping: NAMES, signal })
  const projection = opened.project(columns)
  const conformer = new Conformer({
    wanted: columns,
    found: projection.columns.map((c) => c.field),
    constants: new Map(),
    path: file.filePath,
  })
  for (const group of opened.rowGroups) {
    for await (const { batch } of opened.readRowGroup(group.index, projection, { signal })) {
      yield conformer.conform(batch)
    }
  }
}

/** Some writers leave the field ids of these two columns out. */
const NAMES = parseNameMapping(
  `[{"field-id":${DELETE_FILE_PATH_ID},"names":["file_path"]},{"field-id":${DELETE_POS_ID},"names":["pos"]}]`,
)

/** Has the environment keep the positions of a vector that was read or written. */
export function keepVector(env: Environment, file: ContentFile, positions: PositionBitmap): void {
  env.deletes.set(vectorKey(file), positions, weightOf(positions))
}

function vectorKey({ filePath, contentOffset }: ContentFile): string {
  return `${filePath}@${contentOffset}`
}

function checkVector(
  dataFile: ContentFile,
  file: ContentFile,
  positions: PositionBitmap,
): PositionBitmap {
  if (positions.cardinality !== file.recordCount) {
    throw corrupt(
      file,
      `the vector of ${dataFile.filePath} deletes ${positions.cardinality} rows, its manifest says ${file.recordCount}`,
    )
  }
  if (positions.last >= dataFile.recordCount) {
    throw corrupt(
      file,
      `the vector deletes row ${positions.last} of ${dataFile.filePath}, which has ${dataFile.recordCount} rows`,
    )
  }
  return positions
}

function weightOf(positions: PositionBitmap): number {
  return 200 + 2 * positions.cardinality
}

function corrupt(file: ContentFile, why: string): FloeError {
  const kind = isVector(file) ? 'deletion vectors' : 'position deletes'
  const target = referencedPath(file)
  return new FloeError(
    'CORRUPT_DELETES',
    `Cannot apply the ${kind} of ${file.filePath}: ${why}. Restore the file, or read an older snapshot`,
    {
      context: { file: file.filePath, ...(target === undefined ? {} : { dataFile: target }) },
    },
  )
}
