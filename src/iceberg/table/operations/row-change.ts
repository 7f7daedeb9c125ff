/** What a change of rows does to a table, and who plans it: the parts that a row delta is committed from. */
import type { ContentFile } from '../../manifest/entry.ts'
import type { PositionBitmap } from '../../puffin/position-bitmap.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { LiveFile, LiveFiles } from '../live-files.ts'
import type { TableState } from '../table-state.ts'

/** A change of rows, as planned on one state of the table. */
export interface RowChange {
  /** Data files that the change wrote. */
  readonly added: readonly ContentFile[]
  /** Rows to delete by path of their data file; none of them was deleted before (MG-30). */
  readonly positions: ReadonlyMap<string, PositionBitmap>
  /** Data files to remove: all their rows go (`rows`), or added files have what is left of them (`rewritten`). */
  readonly removed: ReadonlyMap<string, 'rows' | 'rewritten'>
  /** For each file above, which deletes it had (`deletesKey`). */
  readonly seen: ReadonlyMap<string, string>
  /** True if the table has the same rows afterwards: the snapshot is a `replace` (item 109). */
  readonly sameRows?: boolean | undefined
  /** Properties for the snapshot's summary. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

/** Nothing to do. */
export const NO_CHANGE: RowChange = {
  added: [],
  positions: new Map(),
  removed: new Map(),
  seen: new Map(),
}

/** True if the change leaves the table as it is. */
export function isEmptyChange({ added, positions, removed }: RowChange): boolean {
  return added.length === 0 && positions.size === 0 && removed.size === 0
}

/**
 * Plans a change of rows: once when it is staged, and again where another commit came first and matters. What a plan
 * wrote is deleted if the next one does not use it.
 */
export interface RowChangePlanner {
  /** Plans on a state of the table. If it fails, nothing that it wrote is left. */
  plan(
    state: TableState,
    live: LiveFiles,
    options: { readonly signal: AbortSignal | undefined },
  ): Promise<RowChange>
  /** True if every commit in between asks for a new plan. */
  readonly followsEveryCommit?: boolean | undefined
  /** True for data files that others added meanwhile and that the change should have seen (item 120). */
  conflictsWith?(file: LiveFile, metadata: TableMetadata): boolean
  /** The commit has been made, by the change that was planned last. Must not throw. */
  committed?(snapshotId: bigint): void
}
