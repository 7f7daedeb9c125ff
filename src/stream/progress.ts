/** What a stream tells while it runs. Shaped like Spark's StreamingQueryProgress. */
import type { OffsetRange } from './position.ts'

export interface StreamProgress {
  /** The stream's id. */
  readonly id: string
  /** Counts the batches of this run, from 1 on. */
  readonly batch: number
  /** When the batch was committed, in milliseconds since the epoch. */
  readonly timestampMs: number
  readonly rows: number
  /** Bytes of keys, values and headers. */
  readonly bytes: number
  readonly ranges: readonly OffsetRange[]
  /** Rows in each second of the time since the batch before. */
  readonly inputRowsPerSecond: number
  /** Rows in each second that the batch took. */
  readonly processedRowsPerSecond: number
  readonly durationMs: {
    /** Until the batch was closed, from the end of the one before. */
    readonly collect: number
    /** In the batch function, with the writing of data files. */
    readonly transform: number
    readonly commit: number
  }
  /**
   * Offsets that the source has beyond the position, as far as this runner reads them; those it said last where it does not
   * answer in time, null while it has not said any.
   */
  readonly lagRecords: number | null
  /** From the time of the oldest record of the batch to the commit; null where no record has a time. */
  readonly freshnessMs: number | null
  /** Bytes that were read and wait for the next batch. */
  readonly backlogBytes: number
  /** Tries that the batch took; 1 as a rule. */
  readonly tries: number
  readonly tables: readonly StreamTableProgress[]
}

export interface StreamTableProgress {
  readonly table: string
  readonly snapshotId: bigint | null
  readonly rowsAdded: number
  readonly filesAdded: number
  readonly bytesAdded: number
}

export type StreamEvent =
  | { readonly type: 'started'; readonly id: string; readonly position: string }
  | { readonly type: 'progress'; readonly progress: StreamProgress }
  /** A trigger found nothing to do. */
  | { readonly type: 'idle'; readonly id: string }
  /** A batch failed for a reason that may pass, and is repeated. */
  | {
      readonly type: 'retrying'
      readonly error: Error
      readonly waitMs: number
      readonly tries: number
    }
  /** Something that does not stop the stream, such as a failed commit of advisory offsets. */
  | { readonly type: 'warning'; readonly error: Error }
  | { readonly type: 'terminated'; readonly id: string; readonly error?: Error | undefined }
