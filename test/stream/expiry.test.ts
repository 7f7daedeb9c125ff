/** Snapshots that leave the metadata with a commit: what the stream or the table asks to keep stays. iceberg-writer.md items 127, 128. */
import { describe, expect, it } from 'vitest'
import type { TableMetadata } from '../../src/iceberg/spec/metadata.ts'
import type { SnapshotRef } from '../../src/iceberg/spec/snapshot.ts'
import { expiryUpdates } from '../../src/stream/expiry.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { raw } from './job.ts'

const NOW_MS = 1_000_000

/** Two hundred snapshots in a row, one a second; the last is of just now. */
function history(
  properties: Record<string, string> = {},
  refs: Record<string, Partial<SnapshotRef>> = {},
): TableMetadata {
  const snapshots = Array.from({ length: 200 }, (_, i) => ({
    snapshotId: BigInt(i + 1),
    ...(i === 0 ? {} : { parentSnapshotId: BigInt(i) }),
    sequenceNumber: i + 1,
    timestampMs: NOW_MS - (199 - i) * 1000,
    summary: {},
  }))
  const all: Record<string, Partial<SnapshotRef>> = { main: {}, ...refs }
  return {
    snapshots,
    properties,
    currentSnapshotId: 200n,
    refs: new Map(
      Object.entries(all).map(([name, ref]) => [
        name,
        { snapshotId: 200n, type: 'branch', ...ref } as SnapshotRef,
      ]),
    ),
  } as unknown as TableMetadata
}

/** Which snapshots are left beside the one that the commit adds. */
function left(metadata: TableMetadata, expiry = { keepLast: 10, olderThanMs: 0 }): bigint[] {
  const [update] = expiryUpdates(metadata, expiry, NOW_MS + 1)
  const expired = update?.action === 'remove-snapshots' ? update.snapshotIds : []
  return metadata.snapshots.map((s) => s.snapshotId).filter((id) => !expired.includes(id))
}

const last = (count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => BigInt(200 - count + 1 + i))

describe('expiry along the way', () => {
  it('keeps the last ones, and young ones', () => {
    expect(left(history())).toEqual(last(9))
    expect(left(history(), { keepLast: 10, olderThanMs: 50_001 })).toEqual(last(51))
    expect(left(history(), { keepLast: 190, olderThanMs: 0 })).toEqual(last(200))
  })

  it.each([
    ['properties', { 'history.expire.min-snapshots-to-keep': '50' }, {}],
    ['settings of main', {}, { minSnapshotsToKeep: 50 }],
    [
      'settings of main, which go before properties',
      { 'history.expire.min-snapshots-to-keep': '150' },
      { minSnapshotsToKeep: 50 },
    ],
  ])('keeps as many as the table asks to keep, by %s', (_, properties, main) => {
    expect(left(history(properties, { main }))).toEqual(last(49))
    expect(left(history(properties, { main }), { keepLast: 60, olderThanMs: 0 })).toEqual(last(59))
  })

  it.each([
    ['properties', { 'history.expire.max-snapshot-age-ms': '70001' }, {}],
    ['settings of main', {}, { maxSnapshotAgeMs: 70_001 }],
  ])('keeps those as long as the table asks to keep, by %s', (_, properties, main) => {
    expect(left(history(properties, { main }))).toEqual(last(71))
    expect(left(history(properties, { main }), { keepLast: 1, olderThanMs: 80_001 })).toEqual(
      last(81),
    )
  })

  it('takes the largest long for ever', () => {
    const properties = { 'history.expire.max-snapshot-age-ms': '9223372036854775807' }
    expect(left(history(properties))).toEqual(last(200))
  })

  it.each([
    { 'gc.enabled': 'false' },
    { 'gc.enabled': 'FALSE' },
    { 'gc.enabled': 'no' },
    { 'history.expire.min-snapshots-to-keep': 'all' },
    { 'history.expire.max-snapshot-age-ms': '5 d' },
  ])('removes nothing where the table says so, or cannot be understood: %o', (properties) => {
    expect(left(history(properties))).toEqual(last(200))
  })

  it('keeps what tags name, and of branches what they keep', () => {
    const refs = {
      release: { snapshotId: 20n, type: 'tag' },
      audit: { snapshotId: 100n, minSnapshotsToKeep: 12 },
    } as const
    const audit = Array.from({ length: 12 }, (_, i) => BigInt(89 + i))
    expect(left(history({}, refs))).toEqual([20n, ...audit, ...last(9)])
  })

  it('does not expire the heads of refs that are old', () => {
    const refs = { old: { snapshotId: 1n, type: 'tag', maxRefAgeMs: 1 } } as const
    expect(left(history({}, refs))).toEqual([1n, ...last(9)])
  })

  it('is not asked for with values that it could not honour', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('a.b', raw)
    for (const [name, value] of [
      ['gc.enabled', 'maybe'],
      ['history.expire.min-snapshots-to-keep', '0'],
      ['history.expire.max-snapshot-age-ms', '5 days'],
    ] as const) {
      const error = await rejectionOf('BAD_ARGUMENT', table.setProperties({ [name]: value }))
      expect(error.message).toContain(name)
    }
  })
})
