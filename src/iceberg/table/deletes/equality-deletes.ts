/**
 * Equality deletes: rows whose values in some columns equal those of a row of a delete file, where null equals null.
 * Read for tables that other engines write. Iceberg spec §Equality Delete Files; iceberg-writer.md items 61, 133.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../../core/errors.ts'
import { checkLimit } from '../../../core/limits.ts'
import { columnReader } from '../../columns/to-rows.ts'
import type { ManifestEntry } from '../../manifest/entry.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { isPrimitive, type NestedField } from '../../spec/types.ts'
import type { Environment } from '../environment.ts'
import { schemasNewestFirst } from '../manifest-files.ts'
import { readDeleteFile } from './delete-loader.ts'

/** Tests the rows of one data file. */
export interface EqualityFilter {
  /** Top-level columns that have to be read for it. */
  readonly columns: readonly NestedField[]
  /** Of the given rows of a batch, those that are not deleted. */
  remaining(
    batch: RecordBatch,
    columnIndex: (fieldId: number) => number,
    rows: 'all' | Uint32Array | Int32Array,
  ): 'all' | Uint32Array | Int32Array
}

/** A column that rows are compared by: the way to it, and its type. */
interface KeyColumn {
  readonly top: NestedField
  /** Child indices below the top-level column. */
  readonly path: readonly number[]
  readonly leaf: NestedField
}

/** Delete files of the same columns that one data file is read with. */
interface KeyGroup {
  readonly columns: readonly KeyColumn[]
  /** Key → greatest sequence number of a delete of it. */
  readonly deletedAt: ReadonlyMap<string, number>
}

/** Loads equality deletes for one scan. */
export class EqualityDeleteLoader {
  readonly #env: Environment
  readonly #metadata: TableMetadata
  readonly #signal: AbortSignal | undefined
  readonly #groups = new Map<string, Promise<KeyGroup>>()

  constructor(env: Environment, metadata: TableMetadata, signal: AbortSignal | undefined) {
    this.#env = env
    this.#metadata = metadata
    this.#signal = signal
  }

  /**
   * The filter for a data file of the given sequence number.
   * @throws CORRUPT_DELETES, UNSUPPORTED_TYPE, UNSUPPORTED_FILE_FORMAT, LIMIT_EXCEEDED
   */
  async filter(entries: readonly ManifestEntry[], sequenceNumber: number): Promise<EqualityFilter> {
    const byIds = new Map<string, ManifestEntry[]>()
    for (const entry of entries) {
      const key = (entry.file.equalityIds ?? []).join()
      const list = byIds.get(key)
      if (list === undefined) byIds.set(key, [entry])
      else list.push(entry)
    }
    const groups = await Promise.all([...byIds.values()].map((list) => this.#group(list)))
    const columns = new Map(groups.flatMap((g) => g.columns.map((c) => [c.top.id, c.top])))
    return {
      columns: [...columns.values()],
      remaining: (batch, columnIndex, rows) =>
        groups.reduce<'all' | Uint32Array | Int32Array>(
          (left, group) => remainingOf(group, sequenceNumber, batch, columnIndex, left),
          rows,
        ),
    }
  }

  #group(entries: readonly ManifestEntry[]): Promise<KeyGroup> {
    const key = entries.map((e) => e.file.filePath).join('\n')
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = this.#load(entries)
      this.#groups.set(key, group)
    }
    return group
  }

  async #load(entries: readonly ManifestEntry[]): Promise<KeyGroup> {
    const env = this.#env
    const [first] = entries as [ManifestEntry]
    const columns = (first.file.equalityIds ?? []).map((id) => this.#column(id, first))
    if (columns.length === 0) throw corrupt(first, 'it names no columns')
    const deletedAt = new Map<string, number>()
    let bytes = 0
    for (const entry of entries) {
      const { file } = entry
      checkLimit(
        env.limits,
        'deleteFileBytes',
        file.fileSizeBytes,
        `The delete file ${file.filePath}`,
      )
      const tops = [...new Map(columns.map((c) => [c.top.id, c.top])).values()]
      for await (const batch of readDeleteFile(env, file, tops.map(optional), this.#signal)) {
        const keys = keyReader(columns, batch, (id) => tops.findIndex((t) => t.id === id))
        for (let row = 0; row < batch.numRows; row++) {
          const key = keys(row)
          bytes += 2 * key.length + 48
          deletedAt.set(key, Math.max(deletedAt.get(key) ?? 0, entry.sequenceNumber ?? 0))
        }
        checkLimit(env.limits, 'deleteFileBytes', bytes, `The equality deletes of ${file.filePath}`)
      }
    }
    return { columns, deletedAt }
  }

  /** A column by its id, in the current schema or, if it was dropped since, in an older one (item 133). */
  #column(fieldId: number, entry: ManifestEntry): KeyColumn {
    for (const schema of schemasNewestFirst(this.#metadata)) {
      const found = schema.findById(fieldId)
      if (found === undefined) continue
      const top = schema.findById(found.idPath[0] as number)?.field as NestedField
      const path: number[] = []
      let at = top
      for (const id of found.idPath.slice(1)) {
        const children = at.type.kind === 'struct' ? at.type.fields : []
        const index = children.findIndex((c) => c.id === id)
        if (index < 0) break
        path.push(index)
        at = children[index] as NestedField
      }
      if (at.id !== fieldId || !isPrimitive(at.type)) break
      return { top, path, leaf: at }
    }
    throw corrupt(entry, `it compares by field ${fieldId}, which is no plain column of the table`)
  }
}

function remainingOf(
  group: KeyGroup,
  sequenceNumber: number,
  batch: RecordBatch,
  columnIndex: (fieldId: number) => number,
  rows: 'all' | Uint32Array | Int32Array,
): 'all' | Uint32Array | Int32Array {
  const keys = keyReader(group.columns, batch, columnIndex)
  const count = rows === 'all' ? batch.numRows : rows.length
  const left = new Uint32Array(count)
  let length = 0
  for (let i = 0; i < count; i++) {
    const row = rows === 'all' ? i : (rows[i] as number)
    if ((group.deletedAt.get(keys(row)) ?? 0) <= sequenceNumber) left[length++] = row
  }
  return length === count ? rows : left.subarray(0, length)
}

/** A text that is equal exactly for rows with equal values. */
function keyReader(
  columns: readonly KeyColumn[],
  batch: RecordBatch,
  columnIndex: (fieldId: number) => number,
): (row: number) => string {
  const data = batch.data as unknown as Data
  const readers = columns.map(({ top, path, leaf }) => {
    let column = data.children[columnIndex(top.id)] as Data
    const parents: Data[] = []
    for (const child of path) {
      parents.push(column)
      column = column.children[child] as Data
    }
    const read = columnReader(column, leaf.type, 'json')
    return (row: number) => (parents.every((p) => p.getValid(row)) ? read(row) : null)
  })
  if (readers.length === 1) {
    const [read] = readers as [(row: number) => unknown]
    return (row) => text(read(row))
  }
  return (row) => {
    let key = ''
    for (const read of readers) {
      const value = text(read(row))
      key += `${value.length}:${value}`
    }
    return key
  }
}

/** Keys are plain columns, whose values in JSON form are texts, numbers and booleans. */
function text(value: unknown): string {
  return value === null ? '' : `=${String(value as string | number | boolean)}`
}

function optional(field: NestedField): NestedField {
  return { ...field, required: false }
}

function corrupt(entry: ManifestEntry, why: string): FloeError {
  const file = entry.file.filePath
  return new FloeError(
    'CORRUPT_DELETES',
    `Cannot apply the equality deletes of ${file}: ${why}. Compact the table with the engine that wrote it, or read an older snapshot`,
    { context: { file } },
  )
}
