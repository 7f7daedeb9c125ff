/**
 * Sources: topics of partitions of records, in an order that never changes. A stream reads from where its tables say
 * that it is; a source keeps no position that anything rests on. streaming.md §1, §2.
 */
import type { Runtime } from '../core/runtime.ts'
import type { Position } from './position.ts'
import type { RecordChunk } from './record-chunk.ts'
import type { TopicIds } from './topic-ids.ts'

export interface StreamSource {
  /** Names the source in errors and progress: `kafka content_events`. */
  readonly name: string
  /**
   * Opens the source at a position. A partition that the position lacks is read from its first record that there is,
   * also one that is added later.
   * @throws NO_SUCH_TOPIC; OFFSET_OUT_OF_RANGE where the source has lost records from the position on, or ends before
   *   it, or has a topic with another id than the position is of; SOURCE_UNAVAILABLE, ABORTED
   */
  open(options: SourceOpenOptions): Promise<SourceReader>
}

export interface SourceOpenOptions {
  /** What is read next. */
  readonly position: Position
  /** Which topics the position is of, as {@link SourceReader.topicIds} told it then; one that is not in it may have any id. */
  readonly topicIds: TopicIds
  /** A record with a larger value or key is refused: RECORD_TOO_LARGE names topic, partition and offset. */
  readonly maxRecordBytes: number
  /** Most bytes to hold ahead of `read`; one record more, if it is larger. */
  readonly bufferBytes: number
  readonly runtime: Runtime
  readonly signal: AbortSignal
}

/** Of a reader that shares partitions out with others while they run, as members of a consumer group do. */
export interface PartitionSharing {
  /** One more each time that partitions were given to this reader or taken from it, which `read` does not wait for. */
  readonly generation: number
  /** False from where {@link isCurrent} has found that the group has gone on without this reader until it is let in again. */
  readonly isJoined: boolean
  /**
   * Has the partitions of a generation read from a position; what was read ahead is dropped. Without it nothing is given
   * of a new generation. Does nothing if a newer one has come.
   * @throws NO_SUCH_TOPIC, SOURCE_UNAVAILABLE
   */
  resume(generation: number, position: Position): Promise<void>
  /**
   * Whether the partitions are this reader's as of now, which the others have to agree to. If not, it has none in a
   * generation that begins with that.
   * @throws SOURCE_UNAVAILABLE
   */
  isCurrent(): Promise<boolean>
}

/** One reader of a source. Only one `read` is under way at a time. */
export interface SourceReader {
  /** Undefined where the partitions of the reader are its own for good. */
  readonly sharing?: PartitionSharing | undefined
  /**
   * The topics that are read, with ids that no other topic of the name has or will have; undefined where the source has
   * none to tell. All records are of these: OFFSET_OUT_OF_RANGE once another topic has the name.
   */
  readonly topicIds: TopicIds
  /**
   * Gives what has arrived, waiting up to `waitMs` if nothing has. Chunks of a partition follow one another without a
   * gap: each starts where the one before it ended. Records before a damaged or refused one are given first.
   * @throws OFFSET_OUT_OF_RANGE, RECORD_TOO_LARGE, CORRUPT_RECORDS, UNSUPPORTED_CODEC, NO_SUCH_TOPIC,
   *   SOURCE_UNAVAILABLE for what does not pass; ABORTED
   */
  read(options: {
    readonly waitMs: number
    readonly signal: AbortSignal
  }): Promise<readonly RecordChunk[]>
  /**
   * For each partition that this reader reads the offset that `read` goes on from: of one that the position lacks where it
   * begins.
   */
  nextOffsets(): Position
  /**
   * All partitions of the topics that are read, as far as this reader knows by now, also those that other readers have. A
   * source that does not tell them cannot tell a partition that was added from one that was empty.
   */
  partitions?(): readonly { readonly topic: string; readonly partition: number }[]
  /** For each partition that this reader reads the offset after its last record, as of now. */
  endOffsets(): Promise<Position>
  /** Told after a commit what the tables have. Advisory: tools that watch the lag of a consumer group want it. */
  committed(position: Position): Promise<void>
  /** Ends all work; does not fail. */
  close(): Promise<void>
}
