/** Counts of a manifest's entries, as its line in the manifest list states them (iceberg-writer.md item 35). */
import type { ManifestEntry } from './entry.ts'

export interface ManifestCounts {
  readonly addedFilesCount: number
  readonly existingFilesCount: number
  readonly deletedFilesCount: number
  readonly addedRowsCount: number
  readonly existingRowsCount: number
  readonly deletedRowsCount: number
}

/** Counts entries one by one. */
export class ManifestCounter {
  readonly #files = { added: 0, existing: 0, deleted: 0 }
  readonly #rows = { added: 0, existing: 0, deleted: 0 }
  #minSequenceNumber: number | null = null

  add(entry: ManifestEntry): void {
    this.#files[entry.status]++
    this.#rows[entry.status] += entry.file.recordCount
    const sequence = entry.sequenceNumber
    if (entry.status === 'deleted' || sequence === null) return
    const least = this.#minSequenceNumber
    this.#minSequenceNumber = least === null ? sequence : Math.min(least, sequence)
  }

  /** The least explicit data sequence number of a live entry (item 33); null = none, take the snapshot's. */
  get minSequenceNumber(): number | null {
    return this.#minSequenceNumber
  }

  counts(): ManifestCounts {
    return {
      addedFilesCount: this.#files.added,
      existingFilesCount: this.#files.existing,
      deletedFilesCount: this.#files.deleted,
      addedRowsCount: this.#rows.added,
      existingRowsCount: this.#rows.existing,
      deletedRowsCount: this.#rows.deleted,
    }
  }
}
