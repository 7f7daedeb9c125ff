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
  const { winners } = rows
  const slotOf = index.table.probe(rows.keys, winners)
  const { fileIds, positions } = index.table.locations(slotOf)
  const places = new Places(slotOf.length)
  const unmatched = new Int32Array(slotOf.length)
  let unmatchedKeys = 0
  const duplicated: number[] = []
  for (let i = 0; i < slotOf.length; i++) {
    const winner = winners[i] as number
    const fileId = fileIds[i] as number
    if (fileId === NO_FILE) {
      unmatched[unmatchedKeys++] = winner
      continue
    }
    const slot = slotOf[i] as number
    places.add(winner, fileId, positions[i] as number, slot)
    if (index.duplicateKeys === 0) continue
    const others = index.duplicatesOf(slot)
    if (others.length > 0) duplicated.push(winner)
    for (const other of others) places.add(winner, other.fileId, other.position, -1)
  }
  if (duplicated.length > 0 && settings.onTargetDuplicates === 'error') {
    throw duplicateTargets(duplicated, rows, settings)
  }
  const targets = settle(index, live, places)
  const hasHashes = index.table.sideColumns > 0
  return {
    ...targets,
    hashes: hasHashes ? hashesOf(index, targets.slots) : undefined,
    unmatched: unmatched.subarray(0, unmatchedKeys),
    matchedKeys: slotOf.length - unmatchedKeys,
  }
}

/** Places of stored rows, column by column. */
class Places {
  count = 0
  #winner: Int32Array
  #fileId: Uint32Array
  #position: Uint32Array
  #slot: Int32Array

  /** @param expected places to make room for at once; keys with several rows have more. */
  constructor(expected: number) {
    this.#winner = new Int32Array(expected)
    this.#fileId = new Uint32Array(expected)
    this.#position = new Uint32Array(expected)
    this.#slot = new Int32Array(expected)
  }

  add(winner: number, fileId: number, position: number, slot: number): void {
    if (this.count === this.#winner.length) this.#grow()
    const at = this.count++
    this.#winner[at] = winner
    this.#fileId[at] = fileId
    this.#position[at] = position
    this.#slot[at] = slot
  }

  get winner(): Int32Array {
    return this.#winner.subarray(0, this.count)
  }

  get fileIds(): Uint32Array {
    return this.#fileId.subarray(0, this.count)
  }

  get positions(): Uint32Array {
    return this.#position.subarray(0, this.count)
  }

  get slots(): Int32Array {
    return this.#slot.subarray(0, this.count)
  }

  #grow(): void {
    const length = Math.max(16, this.count * 2)
    const grown = <T extends Int32Array | Uint32Array>(column: T): T => {
      const longer = new (column.constructor as new (length: number) => T)(length)
      longer.set(column)
      return longer
    }
    this.#winner = grown(this.#winner)
    this.#fileId = grown(this.#fileId)
    this.#position = grown(this.#position)
    this.#slot = grown(this.#slot)
  }
}

function settle(
  index: PrimaryKeyIndex,
  live: LiveFiles,
  places: Places,
): Omit<Targets, 'hashes' | 'unmatched' | 'matchedKeys'> {
  const { count, fileIds, positions } = places
  const files: LiveFile[] = []
  const numbers = new Map<number, number>()
  const fileOf = new Int32Array(count)
  const rowIds = index.explicitRowIds(fileIds, positions)
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
      rowIds[i] = firstRowId + BigInt(positions[i] as number)
    }
  }
  return {
    count,
    winner: places.winner,
    files,
    fileOf,
    positions: Float64Array.from(positions),
    rowIds,
    slots: places.slots,
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
