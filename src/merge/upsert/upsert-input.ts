/** The rows of an upsert: one batch, their keys, and which row of each key wins. merge.md MG-15 to MG-17. */
import type { Data, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Runtime } from '../../core/runtime.ts'
import { arrow, loadArrow } from '../../iceberg/columns/arrow.ts'
import { isArrowInput } from '../../iceberg/columns/arrow-input.ts'
import { columnData } from '../../iceberg/columns/column-data.ts'
import { matchingRows } from '../../iceberg/columns/filter.ts'
import { joinColumns } from '../../iceberg/columns/join-columns.ts'
import { RowBatchBuilder } from '../../iceberg/columns/row-builder.ts'
import { rowsOf } from '../../iceberg/columns/to-rows.ts'
import { Schema } from '../../iceberg/spec/schema.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'
import type { RowPredicate, UpsertProgress } from '../../iceberg/table/upsert-engine.ts'
import { type AppendInput, inputBatches } from '../../iceberg/table/write/input.ts'
import { type Deduped, dedupe } from '../dedupe.ts'
import type { EncodedKeys, KeyCodec } from '../index/key-codec.ts'
import type { Sequences } from '../sequence.ts'
import type { UpsertSettings } from './upsert-settings.ts'

export interface UpsertRows {
  readonly batch: RecordBatch
  readonly keys: EncodedKeys
  readonly sequences: Sequences | undefined
  /** 1 for rows that delete their key; undefined if none does. */
  readonly isDelete: Uint8Array | undefined
  /** One row for each key, ascending. */
  readonly winners: Int32Array
  /** Rows that lost against another of their key. */
  readonly losers: number
  readonly nullKeysDropped: number
}

export interface ReadRowsOptions {
  readonly settings: UpsertSettings
  readonly codec: KeyCodec
  readonly limits: Limits
  readonly runtime: Runtime
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: UpsertProgress) => void) | undefined
}

/**
 * Reads all rows into memory and settles which of them count.
 * @throws NULL_KEY, NULL_SEQUENCE, DUPLICATE_SOURCE_KEY naming rows; what `append` refuses rows with.
 */
export async function readRows(input: AppendInput, options: ReadRowsOptions): Promise<UpsertRows> {
  const { settings, codec, limits } = options
  await loadArrow()
  const { batch: given, flags } = await readBatch(input, options)
  const isDelete = flags ?? deletedRows(given, settings)
  const batch = withoutLast(given, settings.extraColumns)
  const keys = codec.encode(batch)
  const sequences = settings.sequence?.of(batch)
  const { table, onDuplicate } = settings
  const deduped = dedupe(keys, {
    keep: onDuplicate === 'first' ? 'first' : 'latest',
    ...(sequences === undefined ? {} : { sequence: sequences }),
    ...(isDelete === undefined ? {} : { isDelete }),
    limits,
    name: table,
  })
  check(batch, deduped, settings)
  return {
    batch,
    keys,
    sequences,
    isDelete,
    winners: deduped.winners,
    losers: deduped.dropped,
    nullKeysDropped: deduped.nullKeys.length,
  }
}

async function readBatch(
  input: AppendInput,
  options: ReadRowsOptions,
): Promise<{ readonly batch: RecordBatch; readonly flags: Uint8Array | undefined }> {
  const { settings, limits, runtime, signal } = options
  const { inputSchema, deletes, table } = settings
  const flags: number[] = []
  const predicate = typeof deletes === 'function' ? deletes : undefined
  const given = isArrowInput(input) ? [input] : input
  const source =
    predicate === undefined && settings.ignoreColumns.size === 0
      ? given
      : prepared(given, settings, (isDelete) => flags.push(isDelete ? 1 : 0))
  const batches: RecordBatch[] = []
  let rows = 0
  const read = inputBatches(source, inputSchema, { table, limits, runtime, signal })
  for await (const batch of read) {
    batches.push(batch)
    rows += batch.numRows
    options.onProgress?.({ phase: 'rows', rows, totalRows: undefined })
  }
  const batch = joinBatches(batches, inputSchema.fields, limits)
  return { batch, flags: predicate === undefined ? undefined : Uint8Array.from(flags) }
}

type Items = Iterable<unknown> | AsyncIterable<unknown>

/** Rows without the columns to pass over, noting which of them delete. */
function prepared(
  input: AppendInput,
  { deletes, ignoreColumns, table }: UpsertSettings,
  note: (isDelete: boolean) => void,
): AppendInput {
  const predicate = typeof deletes === 'function' ? deletes : undefined
  const one = (item: unknown): unknown => {
    if (isArrowInput(item)) {
      if (predicate !== undefined) throw notForArrow(table)
      const names = item.schema.fields.map((f) => f.name).filter((n) => !ignoreColumns.has(n))
      return (item as unknown as { select(names: string[]): unknown }).select(names)
    }
    if (predicate !== undefined) note(isTrue(predicate, item))
    if (ignoreColumns.size === 0 || typeof item !== 'object' || item === null) return item
    return Object.fromEntries(Object.entries(item).filter(([name]) => !ignoreColumns.has(name)))
  }
  const source = input as Items
  if (Symbol.asyncIterator in source) return mapAsync(source, one) as AppendInput
  // What is no iterable at all is refused as it is.
  return Symbol.iterator in source ? (mapSync(source, one) as AppendInput) : input
}

function* mapSync(source: Iterable<unknown>, map: (item: unknown) => unknown): Iterable<unknown> {
  for (const item of source) yield map(item)
}

async function* mapAsync(
  source: AsyncIterable<unknown>,
  map: (item: unknown) => unknown,
): AsyncIterable<unknown> {
  for await (const item of source) yield map(item)
}

function isTrue(predicate: RowPredicate, row: unknown): boolean {
  return typeof row === 'object' && row !== null && predicate(row as Record<string, unknown>)
}

function notForArrow(table: string): FloeError {
  return new FloeError(
    'BAD_ARGUMENT',
    `Cannot upsert into ${table}: deleteWhen is a function, which takes row objects, but the input has Arrow data. Give deleteWhen as a predicate over columns`,
    { context: { table } },
  )
}

/** One batch of all rows. @param fields the columns, for a batch without rows. */
export function joinBatches(
  batches: readonly RecordBatch[],
  fields: readonly NestedField[],
  limits: Limits,
): RecordBatch {
  const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
  const [first] = batches
  if (first === undefined) {
    return new RowBatchBuilder(new Schema({ schemaId: 0, fields }), { limits }).finish()
  }
  if (batches.length === 1) return first
  const length = batches.reduce((sum, batch) => sum + batch.numRows, 0)
  const children = first.schema.fields.map((_, i) =>
    joinColumns(
      batches.map((batch) =>
        ((batch.data as unknown as Data).children[i] as Data).slice(0, batch.numRows),
      ),
    ),
  )
  const struct = columnData(new Struct(first.schema.fields), { length, nullCount: 0, children })
  return new ArrowRecordBatch(first.schema, struct as never)
}

function withoutLast(batch: RecordBatch, columns: number): RecordBatch {
  if (columns === 0) return batch
  const kept = batch.schema.fields.length - columns
  return batch.selectAt(Array.from({ length: kept }, (_, i) => i)) as RecordBatch
}

function deletedRows(batch: RecordBatch, { deletes }: UpsertSettings): Uint8Array | undefined {
  if (deletes === undefined || typeof deletes === 'function') return undefined
  const rows = matchingRows(batch, deletes)
  if (rows === 'all') return new Uint8Array(batch.numRows).fill(1)
  if (rows.length === 0) return undefined
  const flags = new Uint8Array(batch.numRows)
  for (const row of rows) flags[row] = 1
  return flags
}

function check(batch: RecordBatch, deduped: Deduped, settings: UpsertSettings): void {
  const { table, keys, onNullKey, onDuplicate, sequenceFields } = settings
  const { nullKeys, nullSequences, dropped, samples } = deduped
  const [nullKey] = nullKeys
  if (nullKey !== undefined && onNullKey === 'error') {
    const columns = keys.map((k) => `"${k.name}"`).join(', ')
    throw new FloeError(
      'NULL_KEY',
      `Cannot upsert into ${table}: ${nullKeys.length} rows have null in a key column (${columns}), row ${nullKey} first. Give them keys, or say with onNullKey what to do with such rows`,
      { context: { table, row: nullKey, rows: nullKeys.length } },
    )
  }
  const [nullSequence] = nullSequences
  if (nullSequence !== undefined) {
    const columns = sequenceFields.map((f) => `"${f.name}"`).join(', ')
    throw new FloeError(
      'NULL_SEQUENCE',
      `Cannot upsert into ${table}: ${nullSequences.length} rows have null in a sequence column (${columns}), row ${nullSequence} first: nobody can say whether they are newer. Give them a sequence`,
      { context: { table, row: nullSequence, rows: nullSequences.length } },
    )
  }
  const [sample] = samples
  if (dropped > 0 && onDuplicate === 'error' && sample !== undefined) {
    const named = samples.map(
      ({ row, first }) => `row ${row} and ${first} (${keyText(batch, row, settings)})`,
    )
    throw new FloeError(
      'DUPLICATE_SOURCE_KEY',
      `Cannot upsert into ${table}: ${dropped} rows have the key of an earlier row: ${named.join('; ')}. Say with sequenceBy which is newer, or with onDuplicate which one counts`,
      { context: { table, row: sample.row, rows: dropped } },
    )
  }
}

/** The key of a row, for messages. */
export function keyText(batch: RecordBatch, row: number, settings: UpsertSettings): string {
  const { schema, keys } = settings
  const stored = schema.fields.filter((f) => f.type.kind !== 'unknown')
  const [values] = [...rowsOf(batch.slice(row, row + 1), stored, 'json')]
  return keys
    .map(({ name }) => {
      let value: unknown = values
      for (const part of name.split('.')) value = (value as Record<string, unknown> | null)?.[part]
      return `${name} = ${String(value as string | number | null).slice(0, 60)}`
    })
    .join(', ')
}
