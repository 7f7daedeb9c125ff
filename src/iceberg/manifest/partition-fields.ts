/** The fields of partition tuples. Iceberg spec §Manifests: the partition struct (iceberg-writer.md items 43, 44). */
import type { PartitionField, PartitionSpec } from '../spec/partition-spec.ts'
import type { Schema } from '../spec/schema.ts'
import { transformResultType } from '../spec/transforms.ts'
import type { NestedField, PrimitiveType } from '../spec/types.ts'

/** A field of a partition tuple: always optional and primitive. */
export interface PartitionTupleField extends NestedField {
  readonly required: false
  readonly type: PrimitiveType
}

/**
 * The fields of a spec's partition tuples, in spec order.
 * @param schemas schemas of the table, the newest first: a source column that was dropped is found in an older one.
 *   A field whose source is in none of them, or whose transform is unknown, has the type `unknown`: its values are
 *   read as the manifest has them.
 */
export function partitionFields(
  spec: PartitionSpec,
  schemas: readonly Schema[],
): PartitionTupleField[] {
  return spec.fields.map((field) => ({
    id: field.fieldId,
    name: field.name,
    required: false,
    type: resultType(field, schemas),
  }))
}

function resultType(field: PartitionField, schemas: readonly Schema[]): PrimitiveType {
  const { transform } = field
  if (transform.kind === 'unknown' || field.sourceIds.length !== 1) return { kind: 'unknown' }
  for (const schema of schemas) {
    const source = schema.findById(field.sourceIds[0] as number)
    if (source !== undefined) return transformResultType(transform, source.field.type)
  }
  // Transforms with one result type do not need their source; void has nulls only.
  if (transform.kind === 'void') return { kind: 'int' }
  return transformResultType(transform, { kind: 'unknown' })
}
