/**
 * Where measurements go: a small interface that any metrics library fits under. The default records nothing. Adapter for
 * Prometheus: src/observe/prometheus.ts.
 */
export type Labels = Readonly<Record<string, string>>

/** Goes up alone. */
export interface Counter {
  add(amount: number): void
}

/** Has the value that it was set to last. */
export interface Gauge {
  set(value: number): void
}

/** Counts values by size. */
export interface Histogram {
  record(value: number): void
}

export interface MetricOptions {
  /** One sentence for people. */
  readonly help: string
  readonly labels?: Labels | undefined
}

/** Makes instruments. Asked twice for a name with the same labels, it gives the same one. Names end in their unit. */
export interface Recorder {
  counter(name: string, options: MetricOptions): Counter
  gauge(name: string, options: MetricOptions): Gauge
  /** @param options boundaries: upper bounds of the buckets, ascending, in the unit of the name. */
  histogram(
    name: string,
    options: MetricOptions & { readonly boundaries: readonly number[] },
  ): Histogram
}

const nothing = { add: () => undefined, set: () => undefined, record: () => undefined }

export const NO_RECORDER: Recorder = {
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
}
