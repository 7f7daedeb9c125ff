/** The updates that make a table, in the order of a create request of the REST protocol. Items 6–8, 21. */
import type { FormatVersion } from './metadata.ts'
import { type PartitionSpec, UNPARTITIONED } from './partition-spec.ts'
import type { Schema } from './schema.ts'
import { type SortOrder, UNSORTED } from './sort-order.ts'
import type { MetadataUpdate } from './updates.ts'

export interface NewTable {
  readonly uuid: string
  readonly formatVersion: FormatVersion
  readonly location: string
  readonly schema: Schema
  /** Default: unpartitioned. */
  readonly spec?: PartitionSpec | undefined
  /** Default: unsorted. */
  readonly sortOrder?: SortOrder | undefined
  readonly properties?: Readonly<Record<string, string>> | undefined
}

/** To be applied to a null base. */
export function newTableUpdates(table: NewTable): readonly MetadataUpdate[] {
  return [
    { action: 'assign-uuid', uuid: table.uuid },
    { action: 'upgrade-format-version', formatVersion: table.formatVersion },
    { action: 'set-location', location: table.location },
    { action: 'add-schema', schema: table.schema },
    { action: 'set-current-schema', schemaId: -1 },
    { action: 'add-spec', spec: table.spec ?? UNPARTITIONED },
    { action: 'set-default-spec', specId: -1 },
    { action: 'add-sort-order', sortOrder: table.sortOrder ?? UNSORTED },
    { action: 'set-default-sort-order', sortOrderId: -1 },
    { action: 'set-properties', updates: table.properties ?? {} },
  ]
}
