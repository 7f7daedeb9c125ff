/** The metrics of a stream. Documented in docs/streaming.md; a test holds the two against each other. */
import type { Gauge, Recorder } from '../core/metrics.ts'
import type { StreamProgress } from './progress.ts'

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export class StreamMetrics {
  readonly #rows
  readonly #bytes
  readonly #batches
  readonly #retries
  readonly #batchSeconds
  readonly #commitSeconds
  readonly #freshness
  readonly #backlog
  /** These would be wrong before there is something to tell: a series without a value has 0. */
  readonly #lag
  readonly #lastCommit

  constructor(recorder: Recorder, stream: string) {
    const labels = { stream }
    const seconds = (name: string, help: string) =>
      recorder.histogram(name, { help, labels, boundaries: SECONDS })
    const counter = (name: string, help: string) => recorder.counter(name, { help, labels })
    const gauge = (name: string, help: string) => recorder.gauge(name, { help, labels })
    const laterGauge = (name: string, help: string) => {
      let made: Gauge | undefined
      return { set: (value: number) => (made ??= gauge(name, help)).set(value) }
    }
    this.#rows = counter('floe_stream_rows_total', 'Records that were committed')
    this.#bytes = counter('floe_stream_bytes_total', 'Bytes of keys, values and headers committed')
    this.#batches = counter('floe_stream_batches_total', 'Batches that were committed')
    this.#retries = counter(
      'floe_stream_retries_total',
      'Tries of batches that failed and were repeated',
    )
    this.#batchSeconds = seconds(
      'floe_stream_batch_duration_seconds',
      'Time of a batch from its close to its commit',
    )
    this.#commitSeconds = seconds(
      'floe_stream_commit_duration_seconds',
      'Time of the commit of a batch',
    )
    this.#freshness = seconds(
      'floe_stream_freshness_seconds',
      'From the oldest record of a batch to its commit',
    )
    this.#backlog = gauge('floe_stream_backlog_bytes', 'Bytes that were read and wait for a batch')
    this.#lag = laterGauge(
      'floe_stream_lag_messages',
      'Offsets that the source had beyond the position at the last commit',
    )
    this.#lastCommit = laterGauge(
      'floe_stream_last_commit_timestamp_seconds',
      'When a batch was committed last',
    )
  }

  /** @param batchMs from the close of the batch on, all tries */
  committed(progress: StreamProgress, batchMs: number): void {
    this.#rows.add(progress.rows)
    this.#bytes.add(progress.bytes)
    this.#batches.add(1)
    this.#batchSeconds.record(batchMs / 1000)
    this.#commitSeconds.record(progress.durationMs.commit / 1000)
    if (progress.freshnessMs !== null) this.#freshness.record(progress.freshnessMs / 1000)
    if (progress.lagRecords !== null) this.#lag.set(progress.lagRecords)
    this.#backlog.set(progress.backlogBytes)
    this.#lastCommit.set(progress.timestampMs / 1000)
  }

  retried(): void {
    this.#retries.add(1)
  }
}
