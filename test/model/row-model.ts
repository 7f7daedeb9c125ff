/**
 * What a table holds after some commits, said as simply as can be: a list of rows and loops over it. It knows nothing
 * of files, positions or versions, and shares no code with the engine.
 */

export type Values = {
  readonly id: number
  readonly part: string | null
  readonly n: number
}

/** A row through its life: an update keeps it. The id is the engine's choice, and is learnt when it is first seen. */
export interface Lineage {
  rowId: bigint | undefined
}

export interface ModelRow extends Values {
  readonly lineage: Lineage
  /** Sequence number of the commit that wrote these values. */
  readonly updatedAt: number
}

/** A condition in words that engine and model each understand in their own way. */
export type Condition =
  | { readonly kind: 'ids'; readonly from: number; readonly to: number }
  | { readonly kind: 'part'; readonly is: string | null }
  | { readonly kind: 'not-part'; readonly is: string }
  | { readonly kind: 'either'; readonly id: number; readonly part: string }

export function matches(condition: Condition, row: Values): boolean {
  switch (condition.kind) {
    case 'ids':
      return row.id >= condition.from && row.id < condition.to
    case 'part':
      return row.part === condition.is
    case 'not-part':
      // Of a null nobody knows whether it is something else.
      return row.part !== null && row.part !== condition.is
    case 'either':
      return row.id === condition.id || row.part === condition.part
  }
}

/** What a commit does to one table. */
export type Change =
  | { readonly kind: 'append'; readonly rows: readonly Values[] }
  | { readonly kind: 'delete'; readonly where: Condition }
  | {
      readonly kind: 'replace'
      /** Rows that were read before, each with what takes its place. */
      readonly rows: readonly { readonly old: Values; readonly now: Values }[]
      /** The new rows continue the life of the old. */
      readonly keepsLineage: boolean
    }
  | {
      readonly kind: 'upsert'
      readonly rows: readonly Values[]
      /** Rows of the source with this `part` delete the row of their key. */
      readonly deletesPart: string | undefined
    }

/** Raised if the engine committed what cannot be done to these rows. */
export class ImpossibleError extends Error {}

/** The rows after a change; the very same array if it changes nothing. */
export function apply(rows: readonly ModelRow[], change: Change, seq: number): readonly ModelRow[] {
  const born = (v: Values): ModelRow => ({ ...v, lineage: { rowId: undefined }, updatedAt: seq })
  switch (change.kind) {
    case 'append':
      return change.rows.length === 0 ? rows : [...rows, ...change.rows.map(born)]
    case 'delete': {
      const kept = rows.filter((row) => !matches(change.where, row))
      return kept.length === rows.length ? rows : kept
    }
    case 'replace': {
      let result = rows
      for (const { old, now } of change.rows) {
        const found = result.find((r) => r.id === old.id && r.n === old.n && r.part === old.part)
        if (found === undefined) {
          throw new ImpossibleError(`row ${old.id} with n = ${old.n} was replaced but is not there`)
        }
        const next = change.keepsLineage
          ? { ...now, lineage: found.lineage, updatedAt: seq }
          : born(now)
        result = [...result.filter((r) => r !== found), next]
      }
      return result
    }
    case 'upsert': {
      let result = rows
      for (const row of change.rows) {
        const found = result.find((r) => r.id === row.id)
        if (row.part !== null && row.part === change.deletesPart) {
          if (found !== undefined) result = result.filter((r) => r !== found)
        } else if (found === undefined) {
          result = [...result, born(row)]
        } else if (found.part !== row.part || found.n !== row.n) {
          const next = { ...row, lineage: found.lineage, updatedAt: seq }
          result = result.map((r) => (r === found ? next : r))
        }
      }
      return result
    }
  }
}
