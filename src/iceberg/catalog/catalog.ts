/**
 * What the commit loop asks of a catalog: names, the current metadata location of each table, and one atomic step
 * that moves several of them at once. Everything else (files, metadata, retries, rebasing) is the commit loop's.
 */
import type { FloeError } from '../../core/errors.ts'

/** A table's name: namespace parts, outermost first, and the name in the last one. */
export interface TableIdentifier {
  readonly namespace: readonly string[]
  readonly name: string
}

/** Moves one table's pointer. */
export interface PointerChange {
  readonly identifier: TableIdentifier
  /** Metadata location that the change was built on; null = the table must not exist. */
  readonly expected: string | null
  /** New metadata location; null = the table is dropped. */
  readonly next: string | null
}

/**
 * How an atomic step ended. `unknown` means that nobody can tell yet: nothing may be cleaned up and nothing sent
 * again but the same step (reliability.md §1 rule 3).
 */
export type CommitOutcome =
  | { readonly status: 'committed' }
  | { readonly status: 'rejected'; readonly why: string }
  | { readonly status: 'unknown'; readonly error: FloeError }

export interface Catalog {
  readonly kind: string
  /** True if nothing is ever written. */
  readonly readOnly: boolean
  /** Where tables of a namespace are put by default. */
  defaultTableLocation(identifier: TableIdentifier): string
  /**
   * Current metadata locations, null where a table does not exist, all as of one moment.
   * `cached` allows an answer from this process's memory, which may be behind.
   */
  loadPointers(
    identifiers: readonly TableIdentifier[],
    options?: { readonly cached?: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly (string | null)[]>
  /** All changes, or none. Conflicts with other tables are resolved inside and never show. */
  commit(
    changes: readonly PointerChange[],
    options: { readonly commitId: string; readonly signal?: AbortSignal },
  ): Promise<CommitOutcome>
  listTables(namespace?: readonly string[]): Promise<readonly TableIdentifier[]>
  listNamespaces(): Promise<readonly (readonly string[])[]>
  /** @throws BAD_NAME; does nothing if the namespace exists. */
  createNamespace(namespace: readonly string[]): Promise<void>
  /** @throws NO_SUCH_NAMESPACE, BAD_ARGUMENT if it holds tables. */
  dropNamespace(namespace: readonly string[]): Promise<void>
  close(): Promise<void>
}
