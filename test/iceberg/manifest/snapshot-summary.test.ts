/** Counters of snapshot summaries (iceberg-writer.md items 109–111; known-bugs.md 32). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ContentFile } from '../../../src/iceberg/manifest/entry.ts'
import { SnapshotSummaryBuilder } from '../../../src/iceberg/manifest/snapshot-summary.ts'

const file = (more: Partial<ContentFile> = {}): ContentFile => ({
  content: 'data',
  filePath: 'memory://t/a.parquet',
  fileFormat: 'PARQUET',
  specId: 0,
  partition: [],
  recordCount: 10,
  fileSizeBytes: 1000,
  ...more,
})
const vector = file({
  content: 'position-deletes',
  fileFormat: 'PUFFIN',
  recordCount: 3,
  fileSizeBytes: 5000,
  contentOffset: 4,
  contentSizeBytes: 40,
})
const positions = file({ content: 'position-deletes', recordCount: 2, fileSizeBytes: 50 })
const equality = file({ content: 'equality-deletes', recordCount: 1, fileSizeBytes: 60 })

describe('snapshot summaries', () => {
  it('count each kind of file, and start totals at zero', () => {
    const builder = new SnapshotSummaryBuilder()
    builder.addedFile(file())
    builder.addedFile(file({ partition: ['x'], specId: 1 }))
    builder.addedFile(vector)
    builder.addedFile(positions)
    builder.addedFile(equality)
    builder.manifests({ created: 2, kept: 0, replaced: 0, entriesProcessed: 0 })
    expect(builder.build('overwrite', null)).toEqual({
      operation: 'overwrite',
      'added-data-files': '2',
      'added-records': '20',
      'added-files-size': '2150',
      'added-delete-files': '3',
      'added-position-delete-files': '1',
      'added-dvs': '1',
      'added-position-deletes': '5',
      'added-equality-delete-files': '1',
      'added-equality-deletes': '1',
      'changed-partition-count': '2',
      'total-records': '20',
      'total-files-size': '2150',
      'total-data-files': '2',
      'total-delete-files': '3',
      'total-position-deletes': '5',
      'total-equality-deletes': '1',
      'manifests-created': '2',
      'manifests-kept': '0',
      'manifests-replaced': '0',
      'entries-processed': '0',
    })
  })

  it('take removed files from the totals of the parent', () => {
    const parent = new SnapshotSummaryBuilder()
    for (const added of [file(), file(), vector, positions, equality]) parent.addedFile(added)
    const builder = new SnapshotSummaryBuilder()
    for (const removed of [file(), vector, equality]) builder.removedFile(removed)
    expect(builder.build('delete', parent.build('append', null))).toEqual({
      operation: 'delete',
      'deleted-data-files': '1',
      'deleted-records': '10',
      'removed-files-size': '1100',
      'removed-delete-files': '2',
      'removed-dvs': '1',
      'removed-position-deletes': '3',
      'removed-equality-delete-files': '1',
      'removed-equality-deletes': '1',
      'changed-partition-count': '1',
      'total-records': '10',
      'total-files-size': '1050',
      'total-data-files': '1',
      'total-delete-files': '1',
      'total-position-deletes': '2',
      'total-equality-deletes': '0',
    })
  })

  it('leave out a total that the parent lacks or states wrongly, and write the others (item 111)', () => {
    const builder = new SnapshotSummaryBuilder()
    builder.addedFile(file())
    const summary = builder.build('append', { 'total-records': '5', 'total-data-files': 'many' })
    expect(summary).toMatchObject({ 'total-records': '15' })
    expect(Object.keys(summary).filter((key) => key.startsWith('total-'))).toEqual([
      'total-records',
    ])
    const removing = new SnapshotSummaryBuilder()
    removing.removedFile(file())
    expect(removing.build('delete', { 'total-records': '5' })).not.toHaveProperty('total-records')
  })

  it('keep totals beyond 2^53 exact', () => {
    const builder = new SnapshotSummaryBuilder()
    builder.addedFile(file({ recordCount: 1 }))
    expect(builder.build('append', { 'total-records': '9007199254740993' })).toMatchObject({
      'total-records': '9007199254740994',
    })
  })

  it('take properties of the user, but none that they compute', () => {
    const builder = new SnapshotSummaryBuilder()
    builder.set('engine-name', 'floe')
    builder.set('__proto__', 'kept')
    const summary = builder.build('append', null)
    expect(summary['engine-name']).toBe('floe')
    expect(Object.entries(summary)).toContainEqual(['__proto__', 'kept'])
    expect(Object.getPrototypeOf(summary)).toBeNull()
    for (const key of [
      'operation',
      'total-records',
      'added-dvs',
      'changed-partition-count',
      'partitions.a=1',
    ]) {
      expect(() => builder.set(key, '1')).toThrow(/BAD_ARGUMENT/)
    }
  })

  it('have totals equal to a recount after any series of commits', () => {
    const files = fc.constantFrom(file(), vector, positions, equality)
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(files, fc.boolean()))), (commits) => {
        const live: ContentFile[] = []
        let summary: Readonly<Record<string, string>> | null = null
        for (const commit of commits) {
          const builder = new SnapshotSummaryBuilder()
          for (const [one, add] of commit) {
            const index = live.indexOf(one)
            if (add) {
              builder.addedFile(one)
              live.push(one)
            } else if (index >= 0) {
              builder.removedFile(one)
              live.splice(index, 1)
            }
          }
          summary = builder.build('overwrite', summary)
        }
        if (summary === null) return
        const sum = (kind: (f: ContentFile) => number): string =>
          String(live.reduce((total, f) => total + kind(f), 0))
        expect(summary).toMatchObject({
          'total-records': sum((f) => (f.content === 'data' ? f.recordCount : 0)),
          'total-data-files': sum((f) => (f.content === 'data' ? 1 : 0)),
          'total-delete-files': sum((f) => (f.content === 'data' ? 0 : 1)),
          'total-position-deletes': sum((f) =>
            f.content === 'position-deletes' ? f.recordCount : 0,
          ),
          'total-equality-deletes': sum((f) =>
            f.content === 'equality-deletes' ? f.recordCount : 0,
          ),
          'total-files-size': sum((f) => f.contentSizeBytes ?? f.fileSizeBytes),
        })
      }),
    )
  })
})
