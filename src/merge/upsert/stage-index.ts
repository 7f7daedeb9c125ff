/** What the key index will be once an upsert is committed. merge.md MG-36. */
import type { RowChange } from '../../iceberg/table/operations/row-change.ts'
import type { IndexStage } from '../index/index-stage.ts'
import type { Decision } from './decision.ts'
import type { Targets } from './targets.ts'
import type { UpsertRows } from './upsert-input.ts'
import type { CopiedBatch, WrittenRows } from './write-rows.ts'

export interface IndexChange {
  readonly change: RowChange
  readonly decision: Decision
  readonly targets: Targets
  readonly written: WrittenRows
  readonly rows: UpsertRows
  readonly rowIds: BigInt64Array
  /** Hashes of the written rows, where the index keeps them. */
  readonly hashes: Uint32Array | undefined
}

/**
 * Stages everything, or nothing if the index has moved on meanwhile: then it reads what was committed when it is used
 * next. @throws LIMIT_EXCEEDED
 */
export function stageIndex(
  stage: IndexStage | undefined,
  parts: IndexChange,
): IndexStage | undefined {
  if (stage?.valid !== true) return undefined
  const { change, written } = parts
  for (const path of change.removed.keys()) stage.removeFile(path)
  for (const [path, positions] of change.positions) stage.deleted(path, positions)
  const copied = new CopiedRows(written.copied)
  const own = parts.decision.inputRows.length
  for (const { file, rows = new Int32Array(0) } of written.files) {
    const rowIds = new BigInt64Array(rows.length)
    for (let position = 0; position < rows.length; position++) {
      const row = rows[position] as number
      rowIds[position] = row < own ? (parts.rowIds[row] as bigint) : copied.rowId(row - own)
    }
    const fileId = stage.addFile({ path: file.filePath, recordCount: file.recordCount, rowIds })
    stageOwnRows(stage, fileId, rows, parts)
    copied.stage(stage, fileId, rows, own)
  }
  stageDeletes(stage, parts)
  return stage
}

function stageOwnRows(
  stage: IndexStage,
  fileId: number,
  rows: Int32Array,
  { decision, targets, rows: input, hashes }: IndexChange,
): void {
  const moved: number[] = []
  const entered: number[] = []
  for (let position = 0; position < rows.length; position++) {
    const row = rows[position] as number
    if (row >= decision.inputRows.length) continue
    ;((decision.replaces[row] as number) >= 0 ? moved : entered).push(position)
  }
  const rowOf = (position: number): number => rows[position] as number
  const sideOf = (positions: readonly number[]): readonly Uint32Array[] => {
    if (hashes === undefined) return []
    const side = new Uint32Array(positions.length * 2)
    positions.forEach((position, i) => {
      side[2 * i] = hashes[2 * rowOf(position)] as number
      side[2 * i + 1] = hashes[2 * rowOf(position) + 1] as number
    })
    return [side]
  }
  if (moved.length > 0) {
    const slots = Int32Array.from(
      moved,
      (p) => targets.slots[decision.replaces[rowOf(p)] as number] as number,
    )
    stage.move(slots, fileId, Uint32Array.from(moved), sideOf(moved))
  }
  if (entered.length > 0) {
    const keyRows = Int32Array.from(entered, (p) => decision.inputRows[rowOf(p)] as number)
    stage.insert(input.keys, fileId, Uint32Array.from(entered), {
      rows: keyRows,
      side: sideOf(entered),
    })
  }
}

function stageDeletes(stage: IndexStage, { decision, targets }: IndexChange): void {
  const replaced = new Set(decision.replaces)
  const gone = decision.removed.filter((target) => !replaced.has(target))
  if (gone.length > 0) stage.remove(gone.map((target) => targets.slots[target] as number))
}

/** Rows that were copied from files that are written anew, numbered over all batches. */
class CopiedRows {
  readonly #batches: readonly CopiedBatch[]
  readonly #starts: number[] = []

  constructor(batches: readonly CopiedBatch[]) {
    this.#batches = batches
    let start = 0
    for (const { keys } of batches) {
      this.#starts.push(start)
      start += keys.rows
    }
  }

  rowId(row: number): bigint {
    const at = this.#batchOf(row)
    return this.#batches[at]?.rowIds?.[row - (this.#starts[at] as number)] ?? -1n
  }

  /** Stages the new places of those that are in a file. */
  stage(stage: IndexStage, fileId: number, rows: Int32Array, own: number): void {
    const perBatch = new Map<number, { rows: number[]; positions: number[] }>()
    for (let position = 0; position < rows.length; position++) {
      const row = (rows[position] as number) - own
      if (row < 0) continue
      const at = this.#batchOf(row)
      let part = perBatch.get(at)
      if (part === undefined) {
        part = { rows: [], positions: [] }
        perBatch.set(at, part)
      }
      part.rows.push(row - (this.#starts[at] as number))
      part.positions.push(position)
    }
    for (const [at, part] of perBatch) {
      const { keys } = this.#batches[at] as CopiedBatch
      stage.relocate(keys, Int32Array.from(part.rows), fileId, Uint32Array.from(part.positions))
    }
  }

  #batchOf(row: number): number {
    let at = this.#starts.length - 1
    while (at > 0 && (this.#starts[at] as number) > row) at--
    return at
  }
}
