/** Decodes manifest entries by a plan compiled from the Avro schema of one file: the work of `manifest-reader.ts`. */
import { FloeError } from '../../core/errors.ts'
import type { AvroType } from '../avro/avro-schema.ts'
import type { AvroCursor } from '../avro/cursor.ts'
import type { ContentFile, EntryStatus, FileContent, ManifestEntry, ManifestFile } from './entry.ts'
import { compileEntryPlan, type EntrySlots, type EntryStep } from './entry-plan.ts'
import type { ReadManifestOptions } from './manifest-reader.ts'

const STATUSES: readonly EntryStatus[] = ['existing', 'added', 'deleted']
const CONTENTS: readonly FileContent[] = ['data', 'position-deletes', 'equality-deletes']

export class EntryDecoder {
  private readonly manifest: ManifestFile
  private readonly partitionFields: number
  private readonly inherit: boolean
  private readonly slots: EntrySlots
  private readonly steps: readonly EntryStep[]
  private nextRowId: bigint | undefined
  private lastFormat = ''
  private lastFormatUpper = ''

  /** @throws CORRUPT_MANIFEST if the schema is not that of a manifest. */
  constructor(schema: AvroType, options: ReadManifestOptions) {
    this.manifest = options.manifest
    this.partitionFields = options.partition.length
    this.inherit = options.inherit ?? true
    this.nextRowId = options.manifest.firstRowId
    const plan = compileEntryPlan(schema, options)
    this.slots = plan.slots
    this.steps = plan.steps
  }

  /** Reads one entry; undefined if the options leave it out. */
  read(cursor: AvroCursor): ManifestEntry | undefined {
    const slots = this.slots
    slots.refused = false
    for (const step of this.steps) step(cursor, slots)
    const status = STATUSES[slots.status ?? -1]
    if (status === undefined) throw this.bad(`an entry has the status ${slots.status}`)
    const content = this.content(slots.content)
    const recordCount = this.count(slots.recordCount, 'record_count')
    const firstRowId = this.firstRowId(slots.firstRowId, status, content, recordCount)
    if (slots.refused) return undefined
    return {
      status,
      snapshotId: slots.snapshotId ?? (this.inherit ? this.manifest.addedSnapshotId : null),
      sequenceNumber: this.sequenceNumber(slots.sequenceNumber, status),
      fileSequenceNumber: this.fileSequenceNumber(slots.fileSequenceNumber, status),
      file: this.file(cursor, content, recordCount, firstRowId),
    }
  }

  private file(
    cursor: AvroCursor,
    content: FileContent,
    recordCount: number,
    firstRowId: bigint | undefined,
  ): ContentFile {
    const slots = this.slots
    if (slots.pathStart < 0) throw this.bad('an entry has no file_path')
    if (slots.fileFormat === undefined) throw this.bad('an entry has no file_format')
    return {
      content,
      filePath: cursor.stringAt(slots.pathStart, slots.pathEnd),
      fileFormat: this.upperCase(slots.fileFormat),
      specId: this.manifest.partitionSpecId,
      partition: slots.partition ?? new Array<null>(this.partitionFields).fill(null),
      recordCount,
      fileSizeBytes: this.count(slots.fileSizeBytes, 'file_size_in_bytes'),
      columnSizes: slots.columnSizes,
      valueCounts: slots.valueCounts,
      nullValueCounts: slots.nullValueCounts,
      nanValueCounts: slots.nanValueCounts,
      lowerBounds: slots.lowerBounds,
      upperBounds: slots.upperBounds,
      keyMetadata: slots.keyMetadata,
      splitOffsets: slots.splitOffsets,
      equalityIds: slots.equalityIds,
      sortOrderId: slots.sortOrderId,
      firstRowId,
      referencedDataFile: slots.referencedDataFile,
      contentOffset: slots.contentOffset,
      contentSizeBytes: slots.contentSizeBytes,
    }
  }

  private content(code: number | undefined): FileContent {
    // Version 1 has no such field: all its files are data (item 49).
    const content = CONTENTS[code ?? 0]
    if (content === undefined) throw this.bad(`an entry has the content ${code}`)
    if ((content === 'data') !== (this.manifest.content === 'data')) {
      throw this.bad(`a file of ${content} stands in a manifest of ${this.manifest.content}`)
    }
    return content
  }

  /** Item 58: null is inherited by added entries; where the manifest has number 0 (version 1), by all. */
  private sequenceNumber(written: number | undefined, status: EntryStatus): number | null {
    if (written !== undefined) return this.count(written, 'sequence_number')
    if (!this.inherit) return null
    const inherited = this.manifest.sequenceNumber
    if (status === 'added' || inherited === 0) return inherited
    if (status === 'existing') throw this.bad('an existing entry has no sequence number')
    return null
  }

  private fileSequenceNumber(written: number | undefined, status: EntryStatus): number | null {
    if (written !== undefined) return this.count(written, 'file_sequence_number')
    if (!this.inherit) return null
    const inherited = this.manifest.sequenceNumber
    return status === 'added' || inherited === 0 ? inherited : null
  }

  /**
   * Item 77: live data files without one get the next, in the order of the file; entries that are left out count
   * too. In a manifest without a first row id no file has one: its snapshot is older than the upgrade to version 3.
   */
  private firstRowId(
    written: bigint | undefined,
    status: EntryStatus,
    content: FileContent,
    recordCount: number,
  ): bigint | undefined {
    if (!this.inherit) return written
    if (content !== 'data' || this.nextRowId === undefined) return undefined
    if (written !== undefined || status === 'deleted') return written
    const assigned = this.nextRowId
    this.nextRowId = assigned + BigInt(recordCount)
    return assigned
  }

  private count(value: number | undefined, name: string): number {
    if (value === undefined || value < 0) {
      throw this.bad(`an entry has ${value === undefined ? 'no' : 'a negative'} ${name}`)
    }
    return value
  }

  private upperCase(format: string): string {
    if (format !== this.lastFormat) {
      this.lastFormat = format
      this.lastFormatUpper = format.toUpperCase()
    }
    return this.lastFormatUpper
  }

  private bad(why: string): FloeError {
    const file = this.manifest.manifestPath
    return new FloeError(
      'CORRUPT_MANIFEST',
      `Cannot read ${file}: ${why}. The manifest is damaged or was written by a faulty writer`,
      { context: { file } },
    )
  }
}
