/**
 * Rows that change part of what their key has: some columns, those that are not null, or by adding to them. All rows of
 * a key count, one after the other in their order, as if each had been upserted alone. merge.md MG-16, MG-19, MG-22.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import { arrow } from '../../iceberg/columns/arrow.ts'
import { columnData } from '../../iceberg/columns/column-data.ts'
import { joinColumns } from '../../iceberg/columns/join-columns.ts'
import { takeData, takeRows } from '../../iceberg/columns/take.ts'
import { type Mask, ownValidity } from '../../iceberg/columns/validity.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'
import { differingRows } from '../differing-rows.ts'
import { KeyTable } from '../index/key-table.ts'
import {
  comparedIds,
  type Decision,
  type DecisionInput,
  isNullAt,
  sequenceTest,
  sparesOf,
} from './decision.ts'
import { sumColumn } from './increments.ts'
import type { StoredRows } from './stored-rows.ts'
import type { UpsertRows } from './upsert-input.ts'
import type { ColumnRule, UpsertSettings } from './upsert-settings.ts'

/**
 * @param input with the stored values of all columns.
 * @throws VALUE_OUT_OF_RANGE for a sum that does not fit.
 */
export function decideFolded(
  input: DecisionInput & { readonly stored: StoredRows },
  limits: ConstructorParameters<typeof KeyTable>[0]['limits'],
): Decision {
  const { settings, rows, targets, stored } = input
  const groups = groupRows(input, limits)
  const applies = sequenceTest(input)
  const spares = sparesOf(input)
  const fold = new Folder(settings, rows, stored)
  const removed: number[] = []
  const counts = { updated: 0, inserted: 0, deleted: 0, unchanged: 0, stale: 0 }
  for (let target = 0; target < targets.count; target++) {
    const winner = targets.winner[target] as number
    if (spares?.[target] === 1) {
      removed.push(target)
      counts.deleted++
      continue
    }
    const group = groups(winner)
    const newer = group.filter((row) => applies(row, target))
    counts.stale += group.length - newer.length
    if (newer.length === 0) continue
    const isAlive = fold.add(newer, { target, storedRow: stored.rowOf[target] as number })
    removed.push(target)
    if (!isAlive) counts.deleted++
  }
  for (const winner of targets.unmatched) fold.add(groups(winner), undefined)
  const written = fold.finish()
  const unchanged = settings.skipUnchanged ? unchangedRows(written, stored, settings) : undefined
  const kept = Int32Array.from({ length: written.rows }, (_, i) => i).filter(
    (i) => unchanged?.[i] !== 1,
  )
  const replaces = kept.map((i) => written.replaces[i] as number)
  const untouched = new Set<number>()
  written.replaces.forEach((target, i) => {
    if (unchanged?.[i] === 1) untouched.add(target)
  })
  return {
    batch: takeRows(written.batch, kept),
    inputRows: kept.map((i) => written.inputRows[i] as number),
    replaces,
    removed: Int32Array.from(removed.filter((target) => !untouched.has(target))),
    ...counts,
    updated: replaces.filter((target) => target >= 0).length,
    inserted: replaces.filter((target) => target < 0).length,
    unchanged: untouched.size,
  }
}

/** Flags written rows that are equal to the stored ones that they replace. */
function unchangedRows(written: Folded, stored: StoredRows, settings: UpsertSettings): Uint8Array {
  const flags = new Uint8Array(written.rows)
  const updates = Int32Array.from({ length: written.rows }, (_, i) => i).filter(
    (i) => (written.replaces[i] as number) >= 0,
  )
  const storedRows = updates.map((i) => stored.rowOf[written.replaces[i] as number] as number)
  const ids = comparedIds(settings)
  const differs = differingRows(written.batch, updates, stored.batch, storedRows, ids)
  updates.forEach((i, k) => {
    if (differs[k] === 0) flags[i] = 1
  })
  return flags
}

/** The incoming rows of a winner's key, oldest first. */
function groupRows(
  { rows, settings }: DecisionInput,
  limits: ConstructorParameters<typeof KeyTable>[0]['limits'],
): (winner: number) => readonly number[] {
  if (rows.losers === 0 || settings.onDuplicate === 'first') return (winner) => [winner]
  const { keys, winners, sequences, isDelete } = rows
  const table = new KeyTable({
    codec: keys.codec,
    limits,
    name: `a batch for ${settings.table}`,
    expectedKeys: winners.length,
  })
  const positions = Uint32Array.from(winners)
  table.insert(keys, { fileId: 0, positions }, { rows: winners })
  const slots = table.probe(keys)
  const at = table.locations(slots).positions
  const groups = new Map<number, number[]>()
  for (let row = 0; row < slots.length; row++) {
    if ((slots[row] as number) < 0) continue
    const winner = at[row] as number
    const group = groups.get(winner)
    if (group === undefined) groups.set(winner, [row])
    else group.push(row)
  }
  const order = sequences?.against(sequences)
  if (order !== undefined) {
    const deletes = (row: number): number => isDelete?.[row] ?? 0
    for (const group of groups.values()) {
      // At equal sequence a delete beats an upsert, so it comes last (MG-16).
      group.sort((a, b) => order(a, b) || deletes(a) - deletes(b) || a - b)
    }
  }
  return (winner) => groups.get(winner) ?? [winner]
}

interface Folded {
  readonly batch: RecordBatch
  readonly rows: number
  readonly inputRows: readonly number[]
  readonly replaces: readonly number[]
}

/** Folds the rows of one key after the other into rows to write. */
class Folder {
  readonly #settings: UpsertSettings
  readonly #rows: UpsertRows
  readonly #stored: StoredRows
  readonly #rules: readonly ColumnRule[]
  readonly #fields: readonly NestedField[]
  readonly #valid: readonly (Mask | undefined)[]
  /** For each column and row to write: the row that its value comes from; stored rows follow incoming ones. */
  readonly #sources: number[][]
  /** For each column that adds up, the rows whose values are added. */
  readonly #terms: number[][][]
  readonly #inputRows: number[] = []
  readonly #replaces: number[] = []

  constructor(settings: UpsertSettings, rows: UpsertRows, stored: StoredRows) {
    this.#settings = settings
    this.#rows = rows
    this.#stored = stored
    const all = settings.rules as readonly ColumnRule[]
    const isStored = settings.schema.fields.map((field) => field.type.kind !== 'unknown')
    this.#rules = all.filter((_, i) => isStored[i])
    this.#fields = settings.schema.fields.filter((_, i) => isStored[i])
    const columns = (rows.batch.data as unknown as Data).children
    this.#valid = this.#fields.map((_, i) => ownValidity(columns[i] as Data))
    this.#sources = this.#fields.map(() => [])
    this.#terms = this.#fields.map(() => [])
  }

  /** @returns false if the last thing that the rows do is to delete the key. */
  add(
    group: readonly number[],
    base: { readonly target: number; readonly storedRow: number } | undefined,
  ): boolean {
    const incoming = this.#rows.batch.numRows
    let sources: number[] | undefined
    let terms: number[][] = []
    if (base !== undefined) {
      sources = this.#fields.map(() => incoming + base.storedRow)
      terms = this.#fields.map(() => [incoming + base.storedRow])
    }
    for (const row of group) {
      if (this.#rows.isDelete?.[row] === 1) sources = undefined
      else if (sources === undefined) {
        sources = this.#fields.map(() => row)
        terms = this.#fields.map(() => [row])
      } else this.#apply(row, sources, terms)
    }
    if (sources === undefined) return false
    this.#inputRows.push(group.at(-1) as number)
    this.#replaces.push(base?.target ?? -1)
    for (let c = 0; c < this.#fields.length; c++) {
      ;(this.#sources[c] as number[]).push(sources[c] as number)
      if (this.#rules[c] === 'add') (this.#terms[c] as number[][]).push(terms[c] as number[])
    }
    return true
  }

  #apply(row: number, sources: number[], terms: readonly number[][]): void {
    for (let c = 0; c < sources.length; c++) {
      switch (this.#rules[c]) {
        case 'replace':
          sources[c] = row
          break
        case 'coalesce':
          if (!isNullAt(this.#valid[c], row)) sources[c] = row
          break
        case 'add':
          ;(terms[c] as number[]).push(row)
          break
        default:
      }
    }
  }

  finish(): Folded {
    const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
    const { batch } = this.#rows
    const own = (batch.data as unknown as Data).children
    const stored = (this.#stored.batch.data as unknown as Data).children
    assert(own.length === this.#fields.length, 'the input has all columns that are stored')
    const length = this.#inputRows.length
    const children = this.#fields.map((field, c) => {
      const incoming = (own[c] as Data).slice(0, batch.numRows)
      const storedColumn = (stored[c] as Data).slice(0, this.#stored.batch.numRows)
      const joined = storedColumn.length === 0 ? incoming : joinColumns([incoming, storedColumn])
      if (this.#rules[c] !== 'add')
        return takeData(joined, Int32Array.from(this.#sources[c] as number[]))
      return sumColumn(joined, {
        field,
        terms: this.#terms[c] as number[][],
        rowOf: (result) => this.#inputRows[result] as number,
        table: this.#settings.table,
      })
    })
    const struct = columnData(new Struct(batch.schema.fields), { length, nullCount: 0, children })
    return {
      batch: new ArrowRecordBatch(batch.schema, struct as never),
      rows: length,
      inputRows: this.#inputRows,
      replaces: this.#replaces,
    }
  }
}
