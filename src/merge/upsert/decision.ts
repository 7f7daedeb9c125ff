/** What an upsert comes to for each row: written, removed, or left alone. merge.md MG-16, MG-20, MG-24. */
import type { RecordBatch } from 'apache-arrow'
import { getBit } from '../../iceberg/columns/bitmap.ts'
import { takeRows } from '../../iceberg/columns/take.ts'
import { differingRows } from '../differing-rows.ts'
import type { Sequences } from '../sequence.ts'
import type { StoredRows } from './stored-rows.ts'
import type { Targets } from './targets.ts'
import type { UpsertRows } from './upsert-input.ts'
import type { UpsertSettings } from './upsert-settings.ts'

export interface Decision {
  /** Rows to write, with the table's columns. */
  readonly batch: RecordBatch
  /** For each of them the incoming row that has its key. */
  readonly inputRows: Int32Array
  /** For each of them the target that it takes the place of; −1 for a new row. */
  readonly replaces: Int32Array
  /** Targets that go, replaced or deleted. */
  readonly removed: Int32Array
  readonly updated: number
  readonly inserted: number
  readonly deleted: number
  readonly unchanged: number
  /** Rows that were older than what the table has. */
  readonly stale: number
}

export interface DecisionInput {
  readonly settings: UpsertSettings
  readonly rows: UpsertRows
  readonly targets: Targets
  /** Stored values of the targets; undefined if nothing asks for them. */
  readonly stored: StoredRows | undefined
  readonly storedSequences: Sequences | undefined
  /** Row hashes of the incoming rows, where the index keeps hashes. */
  readonly hashes: Uint32Array | undefined
}

/** Rows that replace what their key has as a whole. */
export function decideWhole(input: DecisionInput): Decision {
  const { settings, rows, targets } = input
  const { isDelete } = rows
  const applies = sequenceTest(input)
  const spares = sparesOf(input)
  const isUnchanged = settings.skipUnchanged ? unchangedTest(input) : () => false
  const removed: number[] = []
  const inputRows: number[] = []
  const replaces: number[] = []
  const counts = { updated: 0, inserted: 0, deleted: 0, unchanged: 0, stale: 0 }
  for (let target = 0; target < targets.count; target++) {
    const row = targets.winner[target] as number
    if (spares?.[target] === 1) {
      removed.push(target)
      counts.deleted++
    } else if (!applies(row, target)) counts.stale++
    else if (isDelete?.[row] === 1) {
      removed.push(target)
      counts.deleted++
    } else if (isUnchanged(row, target)) counts.unchanged++
    else {
      removed.push(target)
      inputRows.push(row)
      replaces.push(target)
      counts.updated++
    }
  }
  for (const row of targets.unmatched) {
    if (isDelete?.[row] === 1) continue
    inputRows.push(row)
    replaces.push(-1)
    counts.inserted++
  }
  const written = Int32Array.from(inputRows)
  return {
    batch: takeRows(rows.batch, written),
    inputRows: written,
    replaces: Int32Array.from(replaces),
    removed: Int32Array.from(removed),
    ...counts,
  }
}

/** Whether an incoming row is newer than a target; always, without a sequence (MG-16). */
export function sequenceTest({
  settings,
  rows,
  stored,
  storedSequences,
}: DecisionInput): (row: number, target: number) => boolean {
  if (rows.sequences === undefined || stored === undefined || storedSequences === undefined) {
    return () => true
  }
  const order = rows.sequences.against(storedSequences)
  const { rowOf } = stored
  // A row that was stored without a sequence is older than any that has one.
  const without = new Set(storedSequences.nullRows())
  return (row, target) => {
    const storedRow = rowOf[target] as number
    if (without.has(storedRow)) return true
    const result = order(row, storedRow)
    return result > 0 || (result === 0 && settings.ties === 'incoming')
  }
}

/**
 * Flags the targets that a repair removes: of several rows of a key all but the one with the greatest sequence, or
 * the first without sequences (MG-24). Undefined for other policies.
 */
export function sparesOf({
  settings,
  targets,
  stored,
  storedSequences,
}: DecisionInput): Uint8Array | undefined {
  if (settings.onTargetDuplicates !== 'repair') return undefined
  const spares = new Uint8Array(targets.count)
  const order = storedSequences?.against(storedSequences)
  const without = new Set(storedSequences?.nullRows())
  const kept = new Map<number, number>()
  for (let target = 0; target < targets.count; target++) {
    const row = targets.winner[target] as number
    const holder = kept.get(row)
    if (holder === undefined) {
      kept.set(row, target)
      continue
    }
    const a = stored?.rowOf[target] ?? -1
    const b = stored?.rowOf[holder] ?? -1
    const wins = order !== undefined && !without.has(a) && (without.has(b) || order(a, b) > 0)
    spares[wins ? holder : target] = 1
    if (wins) kept.set(row, target)
  }
  return spares
}

/** Whether a target has the values of an incoming row: by their hashes, or by the values where they were read. */
function unchangedTest({
  settings,
  rows,
  targets,
  stored,
  hashes,
}: DecisionInput): (row: number, target: number) => boolean {
  if (settings.verifyUnchanged && stored !== undefined) {
    const ids = comparedIds(settings)
    const differs = differingRows(rows.batch, targets.winner, stored.batch, stored.rowOf, ids)
    return (_, target) => differs[target] === 0
  }
  const known = targets.hashes
  if (hashes === undefined || known === undefined) return () => false
  return (row, target) =>
    (targets.slots[target] as number) >= 0 &&
    hashes[2 * row] === known[2 * target] &&
    hashes[2 * row + 1] === known[2 * target + 1]
}

/** Field ids of the columns that rows are compared by. */
export function comparedIds({ schema }: UpsertSettings): number[] {
  return schema.fields.map((field) => field.id)
}

/** True if a bit of the input's validity says null; for columns without nulls never. */
export function isNullAt(
  valid: { readonly bits: Uint8Array; readonly offset: number } | undefined,
  row: number,
): boolean {
  return valid !== undefined && !getBit(valid.bits, valid.offset + row)
}
