/** The requirements of the REST protocol as a pure check. Iceberg REST OpenAPI, TableRequirement. */
import { FloeError } from '../../core/errors.ts'
import type { TableMetadata } from './metadata.ts'
import type { TableRequirement } from './updates.ts'

/**
 * Checks that all requirements hold for the base; null means that the table does not exist.
 * @throws REQUIREMENT_FAILED naming the first that does not.
 */
export function checkRequirements(
  base: TableMetadata | null,
  requirements: readonly TableRequirement[],
): void {
  for (const requirement of requirements) check(base, requirement)
}

function check(base: TableMetadata | null, requirement: TableRequirement): void {
  if (requirement.type === 'assert-create') {
    if (base !== null) throw failed(requirement, 'no table', 'a table')
    return
  }
  if (base === null) throw failed(requirement, 'a table', 'no table')
  switch (requirement.type) {
    case 'assert-table-uuid':
      same(requirement, requirement.uuid.toLowerCase(), base.tableUuid?.toLowerCase())
      return
    case 'assert-ref-snapshot-id':
      same(requirement, requirement.snapshotId, base.refs.get(requirement.ref)?.snapshotId ?? null)
      return
    case 'assert-last-assigned-field-id':
      same(requirement, requirement.lastAssignedFieldId, base.lastColumnId)
      return
    case 'assert-current-schema-id':
      same(requirement, requirement.currentSchemaId, base.currentSchemaId)
      return
    case 'assert-last-assigned-partition-id':
      same(requirement, requirement.lastAssignedPartitionId, base.lastPartitionId)
      return
    case 'assert-default-spec-id':
      same(requirement, requirement.defaultSpecId, base.defaultSpecId)
      return
    case 'assert-default-sort-order-id':
      same(requirement, requirement.defaultSortOrderId, base.defaultSortOrderId)
      return
  }
}

function same<T>(requirement: TableRequirement, expected: T, found: T | undefined): void {
  if (expected !== found) throw failed(requirement, String(expected), String(found))
}

function failed(requirement: TableRequirement, expected: string, found: string): FloeError {
  const on = requirement.type === 'assert-ref-snapshot-id' ? ` of "${requirement.ref}"` : ''
  return new FloeError(
    'REQUIREMENT_FAILED',
    `The requirement ${requirement.type}${on} does not hold: expected ${expected}, found ${found}. The table has changed; load it again`,
    { context: { requirement: requirement.type, expected, found } },
  )
}
