/** Finding snapshots: by id, ref and time; ancestry (iceberg-writer.md items 131, 132). */
import { describe, expect, it } from 'vitest'
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import {
  ancestorsOf,
  findSnapshot,
  isAncestorOf,
  requireSnapshot,
  selectSnapshot,
} from '../../../src/iceberg/spec/refs.ts'
import { errorOf } from '../../support/expect-error.ts'
import { change, commit, newTable } from './table-fixture.ts'

/** 1 → 2 → 3 on main, 4 on audit from 2. Logged at 1 s distance. */
const history = (): TableMetadata => {
  let m = commit(commit(newTable(), 1n), 2n)
  const fork = m
  m = commit(m, 3n)
  const audit = commit(fork, 4n).snapshots.find((s) => s.snapshotId === 4n)
  return change(
    m,
    {
      action: 'add-snapshot',
      snapshot: { ...(audit as NonNullable<typeof audit>), sequenceNumber: 9 },
    },
    { action: 'set-snapshot-ref', refName: 'audit', ref: { snapshotId: 4n, type: 'branch' } },
    { action: 'set-snapshot-ref', refName: 'first', ref: { snapshotId: 1n, type: 'tag' } },
  )
}

describe('selectSnapshot', () => {
  const m = history()
  const at = (i: number): number => m.snapshotLog[i]?.timestampMs as number

  it('is the current one by default; none for an empty table', () => {
    expect(selectSnapshot(m, {})?.snapshotId).toBe(3n)
    expect(selectSnapshot(newTable(), {})).toBeUndefined()
  })

  it('by id, branch, tag', () => {
    expect(selectSnapshot(m, { snapshotId: 2n })?.snapshotId).toBe(2n)
    expect(selectSnapshot(m, { ref: 'audit' })?.snapshotId).toBe(4n)
    expect(selectSnapshot(m, { ref: 'first' })?.snapshotId).toBe(1n)
    expect(
      errorOf('NO_SUCH_SNAPSHOT', () => selectSnapshot(m, { snapshotId: 9n })).context,
    ).toEqual({ snapshotId: 9n })
    expect(errorOf('NO_SUCH_REF', () => selectSnapshot(m, { ref: 'x' })).message).toContain('audit')
    errorOf('NO_SUCH_REF', () => selectSnapshot(newTable(), { ref: 'main' }))
  })

  it('by time, through the log (item 132)', () => {
    expect(selectSnapshot(m, { asOf: at(0) })?.snapshotId).toBe(1n)
    expect(selectSnapshot(m, { asOf: at(1) - 1 })?.snapshotId).toBe(1n)
    expect(selectSnapshot(m, { asOf: new Date(at(1)) })?.snapshotId).toBe(2n)
    expect(selectSnapshot(m, { asOf: 9e15 })?.snapshotId).toBe(3n)
    errorOf('NO_SUCH_SNAPSHOT', () => selectSnapshot(m, { asOf: at(0) - 1 }))
    errorOf('NO_SUCH_SNAPSHOT', () => selectSnapshot(newTable(), { asOf: 1e13 }))
    errorOf('BAD_ARGUMENT', () => selectSnapshot(m, { asOf: Number.NaN }))
    errorOf('BAD_ARGUMENT', () => selectSnapshot(m, { asOf: new Date('x') }))
  })

  it('by time after a rollback: what was current then', () => {
    const back = change(m, {
      action: 'set-snapshot-ref',
      refName: 'main',
      ref: { snapshotId: 1n, type: 'branch' },
    })
    expect(selectSnapshot(back, { asOf: back.lastUpdatedMs })?.snapshotId).toBe(1n)
    expect(selectSnapshot(back, { asOf: back.lastUpdatedMs - 1 })?.snapshotId).toBe(3n)
  })

  it('one selector at a time', () => {
    errorOf('BAD_ARGUMENT', () => selectSnapshot(m, { snapshotId: 1n, ref: 'main' }))
    errorOf('BAD_ARGUMENT', () => selectSnapshot(m, { snapshotId: 1n, asOf: 1 }))
  })
})

describe('ancestors', () => {
  const m = history()
  const of = (metadata: TableMetadata, id: bigint | undefined): bigint[] =>
    [...ancestorsOf(metadata, id)].map((s) => s.snapshotId)

  it('newest first, as far as they are retained', () => {
    expect(of(m, 3n)).toEqual([3n, 2n, 1n])
    expect(of(m, 4n)).toEqual([4n, 2n, 1n])
    expect(of(m, undefined)).toEqual([])
    expect(of(m, 9n)).toEqual([])
    expect(of(change(m, { action: 'remove-snapshots', snapshotIds: [2n] }), 3n)).toEqual([3n])
  })

  it('end where the parents form a circle', () => {
    const snapshots = m.snapshots.map((s) =>
      s.snapshotId === 1n ? { ...s, parentSnapshotId: 3n } : s,
    )
    expect(of({ ...m, snapshots }, 3n)).toEqual([3n, 2n, 1n])
  })

  it('isAncestorOf', () => {
    expect(isAncestorOf(m, 3n, 1n)).toBe(true)
    expect(isAncestorOf(m, 3n, 3n)).toBe(true)
    expect(isAncestorOf(m, 3n, 4n)).toBe(false)
    expect(isAncestorOf(m, 4n, 3n)).toBe(false)
    expect(isAncestorOf(m, undefined, 1n)).toBe(false)
  })

  it('findSnapshot and requireSnapshot', () => {
    expect(findSnapshot(m, 2n)?.snapshotId).toBe(2n)
    expect(findSnapshot(m, 9n)).toBeUndefined()
    expect(errorOf('NO_SUCH_SNAPSHOT', () => requireSnapshot(m, 9n)).message).toContain('expired')
  })
})
