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
  | { readonly kind: 'has-part' }
  | { readonly kind: 'parts'; readonly are: readonly string[]; readonly orNone: boolean }
  | { readonly kind: 'not-part'; readonly is: string }
  | { readonly kind: 'either'; readonly id: number; readonly part: string }
  | { readonly kind: 'neither'; readonly id: number; readonly part: string }

export function matches(condition: Condition, row: Values): boolean {
  switch (condition.kind) {
    case 'ids':
      return row.id >= condition.from && row.id < condition.to
    case 'part':
      return row.part === condition.is
    case 'has-part':
      return row.part !== null
    case 'parts':
      return row.part === null ? condition.orNone : condition.are.includes(row.part)
    case 'not-part':
      // Of a null nobody knows whether it is something else.
      return row.part !== null && row.part !== condition.is
    case 'either':
      return row.id === condition.id || row.part === condition.part
    case 'neither':
      return row.id !== condition.id && row.part !== null && row.part !== condition.part
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
  | { readonly kind: 'upsert'; readonly rows: readonly Values[]; readonly rules: UpsertRules }

/** What an upsert does with its rows. Keys are ids, and `n` is what rows are put in sequence by. */
export interface UpsertRules {
  /** Rows with a smaller `n` than another of their key are stale, in the source and in the table. */
  readonly inSequence: boolean
  /** At equal sequence the row in the table stays. */
  readonly existingWins: boolean
  /** Which of several rows of a key counts; undefined where the source has one for each. */
  readonly keeps: 'latest' | 'first' | undefined
  /** Rows of the source with this `part` delete the row of their key. */
  readonly deletesPart: string | undefined
  /** Rows that are as they are given are written again. */
  readonly rewrites: boolean
  /** Part of a row that is changed, where it is not all of it. */
  readonly changes: 'part' | 'n' | 'part, not to null' | 'n, added' | undefined
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
    case 'upsert':
      return upserted(rows, change, seq)
  }
}

function upserted(
  rows: readonly ModelRow[],
  { rows: source, rules }: Extract<Change, { readonly kind: 'upsert' }>,
  seq: number,
): readonly ModelRow[] {
  let result = rows
  for (const id of new Set(source.map((row) => row.id))) {
    const found = result.find((row) => row.id === id)
    let values: Values | undefined = found
    let isTouched = false
    for (const row of inOrder(source, id, rules)) {
      // What the table holds decides who is stale, not what rows before this one made of it.
      if (rules.inSequence && found !== undefined) {
        if (row.n < found.n || (row.n === found.n && rules.existingWins)) continue
      }
      isTouched = true
      values =
        row.part !== null && row.part === rules.deletesPart
          ? undefined
          : changed(values, row, rules)
    }
    if (!isTouched) continue
    if (values === undefined) {
      if (found !== undefined) result = result.filter((row) => row !== found)
    } else if (found === undefined) {
      result = [...result, { ...values, lineage: { rowId: undefined }, updatedAt: seq }]
    } else if (rules.rewrites || found.part !== values.part || found.n !== values.n) {
      const next = { ...values, lineage: found.lineage, updatedAt: seq }
      result = result.map((row) => (row === found ? next : row))
    }
  }
  return result
}

/** The rows of a key that count, the oldest first. */
function inOrder(source: readonly Values[], id: number, rules: UpsertRules): readonly Values[] {
  const rows = source.filter((row) => row.id === id)
  if (rules.inSequence) {
    const deletes = (row: Values): number => Number(row.part === rules.deletesPart)
    // Of one sequence, deletes come last; the rest stays as it was given.
    rows.sort((a, b) => a.n - b.n || deletes(a) - deletes(b))
    if (rules.keeps === 'first') {
      // The oldest sequence counts, and in it a delete before anything else.
      const oldest = rows.filter((row) => row.n === rows[0]?.n)
      return oldest
        .filter((row) => deletes(row) === 1 || deletes(oldest.at(-1) as Values) === 0)
        .slice(0, 1)
    }
  } else if (rules.keeps === 'first') return rows.slice(0, 1)
  // Where rows replace each other as a whole, only the last can be seen.
  return rules.changes === undefined ? rows.slice(-1) : rows
}

/** A row after another of its key. */
function changed(
  before: Values | undefined,
  row: Values,
  { changes, inSequence }: UpsertRules,
): Values {
  if (before === undefined || changes === undefined) return { id: row.id, part: row.part, n: row.n }
  const { id, part, n } = before
  switch (changes) {
    case 'part':
      // A row that changes anything is what later ones have to be newer than.
      return { id, part: row.part, n: inSequence ? row.n : n }
    case 'n':
      return { id, part, n: row.n }
    case 'part, not to null':
      return { id, part: row.part ?? part, n: row.n }
    case 'n, added':
      return { id, part: row.part, n: n + row.n }
  }
}
