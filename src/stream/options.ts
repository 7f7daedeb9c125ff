/** The options of a stream, with their defaults and limits. */
import { constants } from 'node:os'
import { checkOptions, type OptionNames } from '../core/check-options.ts'
import { FloeError } from '../core/errors.ts'
import { NO_RECORDER, type Recorder } from '../core/metrics.ts'
import { type Runtime, systemRuntime } from '../core/runtime.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import type { StreamBatch } from './batch.ts'
import { DEFAULT_EXPIRY, type SnapshotExpiry } from './expiry.ts'
import type { StreamEvent, StreamProgress } from './progress.ts'
import type { StreamSource } from './source.ts'
import type { StreamTransaction } from './stream-transaction.ts'

/** When a batch is closed, if it is not full before. */
export type Trigger =
  /** Every so many milliseconds, 100 at least; 10,000 to 30,000 are usual. */
  | { readonly intervalMs: number }
  /** What the source has at the start, in as many batches as it takes; then the stream ends. */
  | { readonly availableNow: true }
  /** The same in one batch, within its limits. */
  | { readonly once: true }

export interface StreamOptions {
  readonly lake: Lake
  /**
   * Names the stream in its tables, for ever: letters, digits, `_` and `-`. A stream that is started again goes on where
   * the tables say that it was.
   */
  readonly id: string
  readonly source: StreamSource
  /**
   * Records what a batch changes. Called again for the same batch if its commit fails for a reason that passes, so it
   * should depend on the batch and on what the tables have alone. Changes that it does not wait for are waited for.
   */
  readonly foreachBatch: (batch: StreamBatch, tx: StreamTransaction) => Promise<void> | void
  /** Default: an interval of ten seconds. */
  readonly trigger?: Trigger | undefined
  /** The tables that the stream writes. Default: those that have its position, else those that the first batch writes. */
  readonly tables?: readonly string[] | undefined
  /** Tables to fill from the first record that the source has, while the others have come further. */
  readonly backfill?: readonly string[] | undefined
  /** A batch is closed at so many records. Default 500,000. */
  readonly maxBatchRows?: number | undefined
  /** A batch is closed at so many bytes of memory: keys, values, headers and what is kept about them. Default 64 MiB. */
  readonly maxBatchBytes?: number | undefined
  /** Most bytes that the source holds ahead. Default 16 MiB. */
  readonly bufferBytes?: number | undefined
  /** A record with a larger key or value stops the stream. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined
  /** Snapshots that leave the metadata of the tables along the way; false keeps all. Default: all but 100, of 10 minutes. */
  readonly expire?: SnapshotExpiry | false | undefined
  /** How long a batch is tried again while store, catalog or another writer are in the way. Default 600,000. */
  readonly retryTimeoutMs?: number | undefined
  /** How long a batch that is under way may take after a stop was asked for, all tries; then it is dropped. Default 30,000. */
  readonly stopTimeoutMs?: number | undefined
  /** Signals of the process that ask for a stop, such as `SIGTERM`. Default none: they are the program's. */
  readonly stopOn?: readonly NodeJS.Signals[] | undefined
  /** Asks for a stop. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: StreamProgress) => void) | undefined
  readonly onEvent?: ((event: StreamEvent) => void) | undefined
  readonly recorder?: Recorder | undefined
  readonly runtime?: Runtime | undefined
}

export type ResolvedOptions = Omit<
  { readonly [K in keyof StreamOptions]-?: NonNullable<StreamOptions[K]> },
  'tables' | 'signal' | 'expire' | 'onProgress' | 'onEvent'
> &
  Pick<StreamOptions, 'tables' | 'signal' | 'onProgress' | 'onEvent'> & {
    readonly expire: { readonly keepLast: number; readonly olderThanMs: number } | false
  }

const MIB = 1024 * 1024
/** More would not fit into one column of bytes. */
const MAX_BATCH_BYTES = 1024 * MIB

const NAMES: OptionNames<StreamOptions> = {
  lake: true,
  id: true,
  source: true,
  foreachBatch: true,
  trigger: true,
  tables: true,
  backfill: true,
  maxBatchRows: true,
  maxBatchBytes: true,
  bufferBytes: true,
  maxRecordBytes: true,
  expire: true,
  retryTimeoutMs: true,
  stopTimeoutMs: true,
  stopOn: true,
  signal: true,
  onProgress: true,
  onEvent: true,
  recorder: true,
  runtime: true,
}

/** @throws BAD_ARGUMENT naming the option */
export function resolveOptions(options: StreamOptions): ResolvedOptions {
  checkOptions('stream', options, NAMES)
  checkParts(options)
  if (typeof options.id !== 'string' || !/^[A-Za-z0-9_-]{1,100}$/.test(options.id)) {
    throw bad('id', `${JSON.stringify(options.id)} is none: letters, digits, _ and - make one`)
  }
  const trigger = options.trigger ?? { intervalMs: 10_000 }
  checkTrigger(trigger)
  const expire = resolveExpiry(options.expire)
  if (options.tables?.length === 0) throw bad('tables', 'a stream writes one table at least')
  return {
    lake: options.lake,
    id: options.id,
    source: options.source,
    foreachBatch: options.foreachBatch,
    trigger,
    tables: options.tables,
    backfill: options.backfill ?? [],
    maxBatchRows: whole('maxBatchRows', options.maxBatchRows ?? 500_000, 1, 50_000_000),
    maxBatchBytes: whole('maxBatchBytes', options.maxBatchBytes ?? 64 * MIB, 1, MAX_BATCH_BYTES),
    bufferBytes: whole('bufferBytes', options.bufferBytes ?? 16 * MIB, 1, MAX_BATCH_BYTES),
    maxRecordBytes: whole('maxRecordBytes', options.maxRecordBytes ?? 16 * MIB, 1, MAX_BATCH_BYTES),
    expire,
    retryTimeoutMs: whole('retryTimeoutMs', options.retryTimeoutMs ?? 600_000, 0, 2 ** 31 - 1),
    stopTimeoutMs: whole('stopTimeoutMs', options.stopTimeoutMs ?? 30_000, 0, 2 ** 31 - 1),
    stopOn: options.stopOn ?? [],
    signal: options.signal,
    onProgress: options.onProgress,
    onEvent: options.onEvent,
    recorder: options.recorder ?? NO_RECORDER,
    runtime: options.runtime ?? systemRuntime,
  }
}

/** Callers without types may have left out or mistaken what has no default. */
function checkParts({ lake, source, foreachBatch, stopOn }: StreamOptions): void {
  if (typeof lake?.transaction !== 'function') throw bad('lake', 'it has to be what openLake gives')
  if (typeof source?.open !== 'function') {
    throw bad('source', 'it has to be a source, such as logSource or kafkaSource give')
  }
  if (typeof foreachBatch !== 'function') throw bad('foreachBatch', 'it has to be a function')
  const unknown = stopOn?.find((name) => !Object.hasOwn(constants.signals, name))
  if (unknown !== undefined) throw bad('stopOn', `there is no signal ${JSON.stringify(unknown)}`)
}

function checkTrigger(trigger: Trigger): void {
  if (typeof trigger !== 'object' || trigger === null || Object.keys(trigger).length !== 1) {
    throw bad('trigger', TRIGGERS)
  }
  if ('intervalMs' in trigger) whole('trigger.intervalMs', trigger.intervalMs, 100, 86_400_000)
  else if (!('availableNow' in trigger || 'once' in trigger)) {
    throw bad('trigger', TRIGGERS)
  }
}

const TRIGGERS = 'it is one of { intervalMs: … }, { availableNow: true } and { once: true }'

function resolveExpiry(expire: StreamOptions['expire']): ResolvedOptions['expire'] {
  if (expire === false) return false
  if (expire !== undefined && typeof expire !== 'object') {
    throw bad('expire', 'it is false or { keepLast, olderThanMs }')
  }
  checkOptions('expire', expire ?? {}, { keepLast: true, olderThanMs: true })
  const { keepLast, olderThanMs } = expire ?? {}
  return {
    keepLast: whole('expire.keepLast', keepLast ?? DEFAULT_EXPIRY.keepLast, 1, 1_000_000),
    olderThanMs: whole(
      'expire.olderThanMs',
      olderThanMs ?? DEFAULT_EXPIRY.olderThanMs,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
  }
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw bad(name, `it has to be a whole number from ${least} to ${most}, not ${value}`)
}

function bad(option: string, why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `Cannot start the stream: option ${option}: ${why}`, {
    context: { option },
  })
}
