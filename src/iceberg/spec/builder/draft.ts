/** What the functions of this folder change while a list of updates is applied. */
import { FloeError } from '../../../core/errors.ts'
import type { TableMetadata } from '../metadata.ts'
import type { Schema } from '../schema.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** The metadata so far, and what the updates before have done. Values inside are replaced, never changed. */
export interface Draft {
  readonly base: TableMetadata | null
  readonly m: Mutable<TableMetadata>
  /** What −1 means in `set-current-schema`, `set-default-spec` and `set-default-sort-order`. */
  lastAddedSchemaId: number | undefined
  lastAddedSpecId: number | undefined
  lastAddedOrderId: number | undefined
  /** Time of the change: never before the base's, nor before a snapshot that it adds (item 5). */
  nowMs: number
  readonly addedSnapshotIds: Set<bigint>
  /** Added snapshots that became main's head, if only until a later update. */
  readonly mainSnapshotIds: Set<bigint>
  removedSnapshots: boolean
}

export function newDraft(base: TableMetadata | null, empty: TableMetadata, nowMs: number): Draft {
  return {
    base,
    m: { ...(base ?? empty) },
    lastAddedSchemaId: undefined,
    lastAddedSpecId: undefined,
    lastAddedOrderId: undefined,
    nowMs: base === null ? nowMs : Math.max(nowMs, base.lastUpdatedMs + 1),
    addedSnapshotIds: new Set(),
    mainSnapshotIds: new Set(),
    removedSnapshots: false,
  }
}

/** The id that an update names. @throws BAD_ARGUMENT for −1 if nothing was added. */
export function resolveLast(id: number, lastAdded: number | undefined, what: string): number {
  if (id !== -1) return id
  if (lastAdded === undefined) {
    throw new FloeError(
      'BAD_ARGUMENT',
      `−1 means the last added ${what}, but the updates add none before it`,
    )
  }
  return lastAdded
}

/** The schema that specs and orders are checked with. @throws BAD_METADATA if there is none yet. */
export function schemaOf(m: TableMetadata): Schema {
  const schema =
    m.schemas.find((s) => s.schemaId === m.currentSchemaId) ??
    // While a table is created a spec may be added before the schema is made current.
    m.schemas.at(-1)
  if (schema === undefined) {
    throw new FloeError('BAD_METADATA', 'A schema must be added before specs and sort orders')
  }
  return schema
}

/** The highest of the ids, or `least` if none is above. */
export function highest(ids: readonly number[], least: number): number {
  return ids.reduce((a, b) => Math.max(a, b), least)
}

/** The items that pass, and the same array if all do: so that an update without effect changes nothing. */
export function keepWhere<T>(items: readonly T[], keep: (item: T) => boolean): readonly T[] {
  return items.every(keep) ? items : items.filter(keep)
}
