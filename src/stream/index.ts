/**
 * Streams: records from Kafka or from a log into tables, exactly once.
 *
 * @module
 */
export type { Counter, Gauge, Histogram, Labels, MetricOptions, Recorder } from '../core/metrics.ts'
export { StreamBatch, type StreamRecord } from './batch.ts'
export type { SnapshotExpiry } from './expiry.ts'
export { KeyedState, type KeyedStateOptions, type StateView } from './keyed-state.ts'
export {
  type MovedStream,
  type MovedTable,
  type MoveStreamOptions,
  moveStream,
} from './move-stream.ts'
export type { StreamOptions, Trigger } from './options.ts'
export { type OffsetRange, type PartitionOffset, Position } from './position.ts'
export type { StreamEvent, StreamProgress, StreamTableProgress } from './progress.ts'
export {
  type BytesColumn,
  bytesAt,
  type RecordChunk,
  RecordChunkBuilder,
  type RecordHeader,
  sliceChunk,
} from './record-chunk.ts'
export { type StreamResult, type StreamRun, stream } from './runner.ts'
export type { PartitionSharing, SourceOpenOptions, SourceReader, StreamSource } from './source.ts'
export { EmbeddedLog, type LogOptions, openLog } from './sources/log/embedded-log.ts'
export { type LogSourceOptions, logSource } from './sources/log/log-source.ts'
export type { StreamTransaction } from './stream-transaction.ts'
export type { TopicIds } from './topic-ids.ts'
export { type LedgerReport, type StreamLedger, verifyLedger } from './verify-ledger.ts'
