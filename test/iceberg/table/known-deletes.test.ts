/** The live entries of a delete manifest that a commit wrote are kept without reading it: they must be what is in it. */
import { describe, expect, it } from 'vitest'
import { newCaches } from '../../../src/iceberg/table/environment.ts'
import { LiveFiles } from '../../../src/iceberg/table/live-files.ts'
import { World } from '../../merge/index/world.ts'

/** Entries as they compare: what is undefined, or a map without entries, is not there once it is written (item 52). */
const plain = (live: LiveFiles): unknown =>
  live.deletes.map(({ entry, manifest }) => ({
    ...entry,
    manifest: manifest.manifestPath,
    file: Object.fromEntries(
      Object.entries(entry.file).filter(
        ([, value]) => value !== undefined && !(value instanceof Map && value.size === 0),
      ),
    ),
  }))

describe.each([2, 3] as const)(
  'delete entries after a commit, format version %i',
  (formatVersion) => {
    it('are those that a reader finds in the store', async () => {
      const world = await World.create({ formatVersion })
      const rows = (from: number) =>
        Array.from({ length: 50 }, (_, i) => ({ k: BigInt(from + i), v: `v${i}` }))
      const files = [
        await world.write(rows(0)),
        await world.write(rows(50)),
        await world.write(rows(100)),
      ]
      await world.commit({ added: files })
      const [a, b, c] = files.map((file) => file.filePath) as [string, string, string]
      const deletes: [string, number[]][][] = [
        [
          [a, [1, 2]],
          [b, [7]],
        ],
        [
          [a, [3]],
          [c, [0, 49]],
        ],
        [[b, [8, 9, 10]]],
        [[a, Array.from({ length: 40 }, (_, i) => i + 5)]],
      ]
      for (const deleted of deletes) {
        await world.commit({ deleted: new Map(deleted) })
        const known = await world.live()
        const { metadata } = world.state
        const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
        const read = await LiveFiles.load(
          { ...world.env, ...newCaches() },
          metadata,
          snapshot,
          undefined,
        )
        expect(plain(known)).toEqual(plain(read))
        expect(known.deletes.length).toBeGreaterThan(0)
      }
    })
  },
)
