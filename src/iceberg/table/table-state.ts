/** A table at one metadata version: what a handle holds and what a commit is built on. */
import { FloeError } from '../../core/errors.ts'
import type { TableIdentifier } from '../catalog/catalog.ts'
import { identifierText } from '../catalog/identifier.ts'
import { decodeMetadataFile, metadataJsonBytes } from '../metadata-file/metadata-file.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { PartitionSpec } from '../spec/partition-spec.ts'
import { findSnapshot } from '../spec/refs.ts'
import type { Schema } from '../spec/schema.ts'
import type { Snapshot } from '../spec/snapshot.ts'
import type { SortOrder } from '../spec/sort-order.ts'
import { type Environment, requestOptions } from './environment.ts'

/** Never changed: handles, transactions and what is kept in memory share it. */
export interface TableState {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
  readonly metadata: TableMetadata
}

/**
 * A table's state at the metadata location that its catalog names, from memory if it is there.
 * @throws FILE_NOT_FOUND, BAD_METADATA, BAD_JSON, FORMAT_VERSION, LIMIT_EXCEEDED
 */
export async function readTableState(
  env: Environment,
  identifier: TableIdentifier,
  metadataLocation: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TableState> {
  const kept = env.tables.get(identifierText(identifier))
  if (kept?.metadataLocation === metadataLocation) return kept
  const bytes = await env.store.get(metadataLocation, {
    maxBytes: env.limits.metadataBytes,
    ...requestOptions(options.signal),
  })
  const metadata = decodeMetadataFile(bytes, metadataLocation, env.limits)
  const state: TableState = { identifier, metadataLocation, metadata }
  keepTableState(env, state)
  return state
}

/** Keeps what the catalog is known to have named. What parsed JSON takes in memory is estimated from its size. */
export function keepTableState(env: Environment, state: TableState): void {
  const jsonBytes = metadataJsonBytes(state.metadata)
  if (jsonBytes === undefined) return
  env.tables.set(identifierText(state.identifier), state, jsonBytes * 4)
}

/** @throws NO_SUCH_TABLE */
export function noSuchTable(identifier: TableIdentifier): FloeError {
  const table = identifierText(identifier)
  return new FloeError('NO_SUCH_TABLE', `There is no table ${table}. See lake.listTables()`, {
    context: { table },
  })
}

/** The snapshot that readers see; undefined for a table without one. */
export function currentSnapshot(metadata: TableMetadata): Snapshot | undefined {
  const { currentSnapshotId } = metadata
  return currentSnapshotId === undefined ? undefined : findSnapshot(metadata, currentSnapshotId)
}

/** The schema that writers use now. */
export function currentSchema(metadata: TableMetadata): Schema {
  return schemaById(metadata, metadata.currentSchemaId)
}

/** @throws BAD_METADATA if the id is not there. */
export function schemaById(metadata: TableMetadata, schemaId: number): Schema {
  return found(
    metadata.schemas.find((s) => s.schemaId === schemaId),
    `schema ${schemaId}`,
  )
}

/** @throws BAD_METADATA if the id is not there. */
export function specById(metadata: TableMetadata, specId: number): PartitionSpec {
  return found(
    metadata.partitionSpecs.find((s) => s.specId === specId),
    `partition spec ${specId}`,
  )
}

export function defaultSortOrder(metadata: TableMetadata): SortOrder {
  return found(
    metadata.sortOrders.find((s) => s.orderId === metadata.defaultSortOrderId),
    `sort order ${metadata.defaultSortOrderId}`,
  )
}

function found<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value
  throw new FloeError('BAD_METADATA', `The table has no ${what}`)
}
