/** Where a table puts its files, and where its metadata may point. Items 23–25. */
import { encodeSegment, joinLocation } from '../../io/location.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { PartitionSpec } from '../spec/partition-spec.ts'
import { TableProperty } from '../spec/properties.ts'
import type { Schema } from '../spec/schema.ts'
import { transformPathText } from '../spec/transforms.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { Value } from '../spec/value.ts'

type Located = Pick<TableMetadata, 'location' | 'properties'>

/** Folder of manifests, manifest lists and metadata files: `write.metadata.path`, else `<location>/metadata`. */
export function metadataFolder(table: Located): string {
  return table.properties[TableProperty.METADATA_PATH] ?? joinLocation(table.location, 'metadata')
}

/** Folder of data files: `write.data.path`, else `<location>/data`. */
export function dataFolder(table: Located): string {
  return table.properties[TableProperty.DATA_PATH] ?? joinLocation(table.location, 'data')
}

/** Every place that the table's metadata may name files in. */
export function tableRoots(table: Located): readonly string[] {
  const roots = [table.location]
  for (const name of [TableProperty.DATA_PATH, TableProperty.METADATA_PATH]) {
    const path = table.properties[name]
    if (path !== undefined) roots.push(path)
  }
  return roots
}

/** `field=value/…` for the files of one partition: for people, readers never parse it (item 108). */
export function partitionPath(
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly Value[],
): string {
  return spec.fields
    .map((field, i) => {
      const type = schema.findById(field.sourceIds[0] as number)?.field.type as
        | PrimitiveType
        | undefined
      const value = partition[i] ?? null
      const text = type === undefined ? 'null' : transformPathText(field.transform, type, value)
      // Long values would make names that file systems refuse.
      return `${encodeSegment(field.name)}=${encodeSegment(text.slice(0, 64))}`
    })
    .join('/')
}
