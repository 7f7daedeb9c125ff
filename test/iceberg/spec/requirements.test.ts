/** All eight requirements, each held and broken (iceberg-writer.md item 113). */
import { describe, expect, it } from 'vitest'
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import { checkRequirements } from '../../../src/iceberg/spec/requirements.ts'
import type { TableRequirement } from '../../../src/iceberg/spec/updates.ts'
import { errorOf } from '../../support/expect-error.ts'
import { commit, newTable, UUID } from './table-fixture.ts'

const ID = 2n ** 63n - 1n
const table = commit(newTable({ partitionBy: ['day(ts)'], sortBy: ['id'] }), ID)
const check = (base: TableMetadata | null, requirement: TableRequirement): void =>
  checkRequirements(base, [requirement])

const HELD: readonly TableRequirement[] = [
  { type: 'assert-table-uuid', uuid: UUID },
  { type: 'assert-table-uuid', uuid: UUID.toUpperCase() },
  { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: ID },
  { type: 'assert-ref-snapshot-id', ref: 'audit', snapshotId: null },
  { type: 'assert-last-assigned-field-id', lastAssignedFieldId: 4 },
  { type: 'assert-current-schema-id', currentSchemaId: 0 },
  { type: 'assert-last-assigned-partition-id', lastAssignedPartitionId: 1000 },
  { type: 'assert-default-spec-id', defaultSpecId: 0 },
  { type: 'assert-default-sort-order-id', defaultSortOrderId: 1 },
]
const BROKEN: readonly TableRequirement[] = [
  { type: 'assert-create' },
  { type: 'assert-table-uuid', uuid: 'other' },
  { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: ID - 1n },
  { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null },
  { type: 'assert-ref-snapshot-id', ref: 'audit', snapshotId: ID },
  { type: 'assert-last-assigned-field-id', lastAssignedFieldId: 5 },
  { type: 'assert-current-schema-id', currentSchemaId: 1 },
  { type: 'assert-last-assigned-partition-id', lastAssignedPartitionId: 999 },
  { type: 'assert-default-spec-id', defaultSpecId: 1 },
  { type: 'assert-default-sort-order-id', defaultSortOrderId: 0 },
]

describe('requirements', () => {
  it.each(HELD)('$type holds', (requirement) => {
    check(table, requirement)
    expect(errorOf('REQUIREMENT_FAILED', () => check(null, requirement)).kind).toBe('conflict')
  })

  it.each(BROKEN)('$type does not hold and is named', (requirement) => {
    const error = errorOf('REQUIREMENT_FAILED', () => check(table, requirement))
    expect(error.context['requirement']).toBe(requirement.type)
    expect(error.message).toContain(requirement.type)
  })

  it('assert-create holds where there is no table', () => {
    check(null, { type: 'assert-create' })
  })

  it('says which ref, and what was expected and found', () => {
    const error = errorOf('REQUIREMENT_FAILED', () =>
      check(table, { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: 1n }),
    )
    expect(error.message).toContain('"main"')
    expect(error.context).toMatchObject({ expected: '1', found: String(ID) })
  })

  it('the first that fails is named; none is fine', () => {
    checkRequirements(table, [])
    checkRequirements(null, [])
    const error = errorOf('REQUIREMENT_FAILED', () =>
      checkRequirements(table, [...HELD, ...BROKEN.slice(5)]),
    )
    expect(error.context['requirement']).toBe('assert-last-assigned-field-id')
  })
})
