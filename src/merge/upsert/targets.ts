/** Where the rows are that an upsert's keys have in the table. */
import { FloeError } from '../../core/errors.ts'
import type { LiveFile, LiveFiles } from '../../iceberg/table/live-files.ts'
import { NO_FILE } from '../index/key-table.ts'
import type { PrimaryKeyIndex } from '../index/primary-key-index.ts'
import { keyText, type UpsertRows } from './upsert-input.ts'
import type { UpsertSettings } from './upsert-settings.ts'

/** Rows of the table, each with the incoming row of its key. Numbers are in step. */
export interface Targets {
  readonly count: number
  /** The incoming row that won for the key. */
  readonly winner: Int32Array
  readonly files: readonly LiveFile[]
  /** Index of the row's file in `files`. */
  readonly fileOf: Int32Array
  readonly positions: Float64Array
  /** Row ids, −1 where the table has none. */
  readonly rowIds: BigInt64Array
  /** Slot of the key in the index; −1 for further rows of a key. */
  readonly slots: Int32Array
  /** Where hashes are kept, those of the stored rows: two words each. Those of further rows mean nothing. */
  readonly hashes: Uint32Array | undefined
  /** Winners whose key the table does not have. */
  readonly unmatched: Int32Array
  /** Keys that the table has. */
  readonly matchedKeys: number
}

/** Places found, before they are settled into arrays. */
interface Found {
  readonly winner: number
  readonly fileId: number
  readonly position: number
  readonly slot: number
}

/**
 * Looks the winners up, without a pause, so that slots and places are of one state of the index.
 * @throws DUPLICATE_TARGET_KEY naming keys (MG-24)
 */
export function findTargets(
  index: PrimaryKeyIndex,
  live: LiveFiles,
  rows: UpsertRows,
  settings: UpsertSettings,
): Targets {
  const slotOf = index.table.probe(rows.keys, rows.winners)
  const { fileIds, positions } = index.table.locations(slotOf)
  const found: Found[] = []
  const unmatched: number[] = []
  const duplicated: number[] = []
  for (let i = 0; i < slotOf.length; i++) {
    const winner = rows.winners[i] as number
    const fileId = fileIds[i] as number
    if (fileId === NO_FILE) {
      unmatched.push(winner)
      continue
    }
    const slot = slotOf[i] as number
    found.push({ winner, fileId, position: positions[i] as number, slot })
    if (index.duplicateKeys === 0) continue
    const others = index.duplicatesOf(slot)
    if (others.length > 0) duplicated.push(winner)
    for (const other of others) found.push({ winner, ...other, slot: -1 })
  }
  if (duplicated.length > 0 && settings.onTargetDuplicates === 'error') {
    throw duplicateTargets(duplicated, rows, settings)
  }
  const targets = settle(index, live, found)
  const hasHashes = index.table.sideColumns > 0
  return {
    ...targets,
    hashes: hasHashes ? hashesOf(index, targets.slots) : undefined,
    unmatched: Int32Array.from(unmatched),
    matchedKeys: slotOf.length - unmatched.length,
  }
}

function settle(
  index: PrimaryKeyIndex,
  live: LiveFiles,
  found: readonly Found[],
): Omit<Targets, 'hashes' | 'unmatched' | 'matchedKeys'> {
  const count = found.length
  const files: LiveFile[] = []
  const numbers = new Map<number, number>()
  const fileIds = Uint32Array.from(found, (f) => f.fileId)
  const places = Uint32Array.from(found, (f) => f.position)
  const fileOf = new Int32Array(count)
  const rowIds = index.explicitRowIds(fileIds, places)
  for (let i = 0; i < count; i++) {
    const fileId = fileIds[i] as number
    let number = numbers.get(fileId)
    if (number === undefined) {
      number = files.length
      numbers.set(fileId, number)
      files.push(live.data.get(index.fileById(fileId).path) as LiveFile)
    }
    fileOf[i] = number
    const { firstRowId } = (files[number] as LiveFile).entry.file
    if ((rowIds[i] as bigint) < 0n && firstRowId !== undefined) {
      rowIds[i] = firstRowId + BigInt(places[i] as number)
    }
  }
  return {
    count,
    winner: Int32Array.from(found, (f) => f.winner),
    files,
    fileOf,
    positions: Float64Array.from(places),
    rowIds,
    slots: Int32Array.from(found, (f) => f.slot),
  }
}

function hashesOf(index: PrimaryKeyIndex, slots: Int32Array): Uint32Array {
  return index.table.side(0, slots)
}

function duplicateTargets(
  winners: readonly number[],
  { batch }: UpsertRows,
  settings: UpsertSettings,
): FloeError {
  const { table } = settings
  const samples = winners.slice(0, 10).map((row) => `row ${row} (${keyText(batch, row, settings)})`)
  return new FloeError(
    'DUPLICATE_TARGET_KEY',
    `Cannot upsert into ${table}: ${winners.length} keys have several rows in the table: ${samples.join('; ')}. Remove the others, or say with onTargetDuplicates what to do`,
    { context: { table, row: winners[0] as number, keys: winners.length } },
  )
}
