/** A table to change in tests of updates. */
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import { applyUpdates } from '../../../src/iceberg/spec/metadata-builder.ts'
import { newTableUpdates } from '../../../src/iceberg/spec/new-table.ts'
import {
  partitionSpecFromText,
  sortOrderFromText,
} from '../../../src/iceberg/spec/partition-spec-builder.ts'
import type { Schema } from '../../../src/iceberg/spec/schema.ts'
import { assignFreshIds, schema, t } from '../../../src/iceberg/spec/schema-literal.ts'
import type { Snapshot } from '../../../src/iceberg/spec/snapshot.ts'
import type { MetadataUpdate } from '../../../src/iceberg/spec/updates.ts'

export const UUID = '9c12d441-03fe-4693-9a96-a0705ddf69c1'
export const CREATED_MS = 1_700_000_000_000

export const COLUMNS: Schema = assignFreshIds(
  schema(
    { id: t.long(), ts: t.timestamptz(), item: t.string(), n: t.optional(t.int()) },
    { key: ['id'] },
  ),
)

export function newTable(
  options: {
    formatVersion?: 2 | 3
    partitionBy?: readonly string[]
    sortBy?: readonly string[]
    properties?: Readonly<Record<string, string>>
  } = {},
): TableMetadata {
  const updates = newTableUpdates({
    uuid: UUID,
    formatVersion: options.formatVersion ?? 2,
    location: 's3://bucket/t',
    schema: COLUMNS,
    spec: partitionSpecFromText(options.partitionBy ?? [], COLUMNS),
    sortOrder: sortOrderFromText(options.sortBy ?? [], COLUMNS),
    properties: options.properties,
  })
  return applyUpdates(null, updates, { nowMs: CREATED_MS })
}

/** The table after the updates, one second later. */
export function change(base: TableMetadata, ...updates: readonly MetadataUpdate[]): TableMetadata {
  return applyUpdates(base, updates, {
    nowMs: base.lastUpdatedMs + 1000,
    previousMetadataLocation: `metadata/${base.lastUpdatedMs}.metadata.json`,
  })
}

/** The snapshot that a writer would add next. */
export function nextSnapshot(
  base: TableMetadata,
  snapshotId: bigint,
  rest: Partial<Snapshot> = {},
): Snapshot {
  const parent = base.refs.get('main')?.snapshotId
  return {
    snapshotId,
    ...(parent === undefined ? {} : { parentSnapshotId: parent }),
    sequenceNumber: base.lastSequenceNumber + 1,
    timestampMs: base.lastUpdatedMs + 1000,
    manifestList: `s3://bucket/t/metadata/snap-${snapshotId}.avro`,
    summary: { operation: 'append' },
    schemaId: base.currentSchemaId,
    ...(base.formatVersion === 3 ? { firstRowId: base.nextRowId, addedRows: 10n } : {}),
    ...rest,
  }
}

/** Adds a snapshot and makes it the head of a branch. */
export function commit(base: TableMetadata, snapshotId: bigint, branch = 'main'): TableMetadata {
  return change(
    base,
    { action: 'add-snapshot', snapshot: nextSnapshot(base, snapshotId) },
    { action: 'set-snapshot-ref', refName: branch, ref: { snapshotId, type: 'branch' } },
  )
}
