/** Row ids of manifests (iceberg-writer.md items 75, 76, 81). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ManifestFile } from '../../../src/iceberg/manifest/entry.ts'
import { assignFirstRowIds } from '../../../src/iceberg/manifest/first-row-ids.ts'

const manifest = (
  manifestPath: string,
  addedRowsCount: number,
  existingRowsCount: number,
  more: Partial<ManifestFile> = {},
): ManifestFile => ({
  manifestPath,
  manifestLength: 1,
  partitionSpecId: 0,
  content: 'data',
  sequenceNumber: 1,
  minSequenceNumber: 1,
  addedSnapshotId: 1n,
  addedRowsCount,
  existingRowsCount,
  ...more,
})

describe('assignFirstRowIds', () => {
  it('gives the example of the specification: 1000 → 1375 (item 76)', () => {
    const result = assignFirstRowIds(
      [
        manifest('existing', 75, 0, { firstRowId: 925n }),
        manifest('added1', 100, 25),
        manifest('added2', 0, 100),
        manifest('added3', 125, 25),
      ],
      1000n,
    )
    expect(result.manifests.map((m) => [m.manifestPath, m.firstRowId])).toEqual([
      ['existing', 925n],
      ['added1', 1000n],
      ['added2', 1125n],
      ['added3', 1225n],
    ])
    expect(result.nextRowId).toBe(1375n)
    expect(result.addedRows).toBe(375n)
  })

  it('leaves delete manifests without one', () => {
    const result = assignFirstRowIds([manifest('d', 5, 5, { content: 'deletes' })], 3n)
    expect(result.manifests[0]?.firstRowId).toBeUndefined()
    expect([result.nextRowId, result.addedRows]).toEqual([3n, 0n])
  })

  it('assigns to all carried manifests after an upgrade from version 2 (item 81)', () => {
    const result = assignFirstRowIds([manifest('new', 10, 0), manifest('old', 40, 60)], 0n)
    expect(result.manifests.map((m) => m.firstRowId)).toEqual([0n, 10n])
    expect(result.addedRows).toBe(110n)
  })

  it('assigns disjoint ranges below the next row id, and changes nothing else', () => {
    const lists = fc.array(
      fc.record({
        added: fc.nat(2 ** 40),
        existing: fc.nat(2 ** 40),
        content: fc.constantFrom('data', 'deletes' as const),
        carried: fc.boolean(),
      }),
    )
    fc.assert(
      fc.property(lists, fc.bigInt({ min: 0n, max: 2n ** 60n }), (list, start) => {
        const input = list.map((m, i) =>
          manifest(`m${i}`, m.added, m.existing, {
            content: m.content as 'data',
            ...(m.carried && m.content === 'data' ? { firstRowId: 0n } : {}),
          }),
        )
        const { manifests, nextRowId, addedRows } = assignFirstRowIds(input, start)
        let next = start
        manifests.forEach((m, i) => {
          const before = input[i] as ManifestFile
          expect({ ...m, firstRowId: 0n }).toEqual({ ...before, firstRowId: 0n })
          if (before.content !== 'data' || before.firstRowId !== undefined) return
          expect(m.firstRowId).toBe(next)
          next += BigInt((m.addedRowsCount ?? 0) + (m.existingRowsCount ?? 0))
        })
        expect(nextRowId).toBe(next)
        expect(addedRows).toBe(next - start)
      }),
    )
  })

  it('asks for counts that a list of version 1 left out', () => {
    const unknown = { ...manifest('m', 0, 0), addedRowsCount: undefined }
    expect(() => assignFirstRowIds([unknown], 0n)).toThrow(/rows counted/)
  })
})
