/** Metrics in Prometheus's text format: a recorder that keeps them, and a text to answer scrapes with. */
import { FloeError } from '../core/errors.ts'
import type { Counter, Gauge, Histogram, Labels, MetricOptions, Recorder } from '../core/metrics.ts'

/** Content type of {@link PrometheusRecorder.render}. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

type Kind = 'counter' | 'gauge' | 'histogram'

interface Family {
  readonly kind: Kind
  readonly help: string
  readonly series: Map<string, Series>
}

interface Series {
  readonly labels: Labels
  value: number
  readonly buckets?: { readonly boundaries: readonly number[]; readonly counts: Float64Array }
  count: number
}

export class PrometheusRecorder implements Recorder {
  readonly #families = new Map<string, Family>()

  counter(name: string, options: MetricOptions): Counter {
    const series = this.#series('counter', name, options)
    return {
      add: (amount) => {
        if (amount > 0) series.value += amount
      },
    }
  }

  gauge(name: string, options: MetricOptions): Gauge {
    const series = this.#series('gauge', name, options)
    return {
      set: (value) => {
        series.value = value
      },
    }
  }

  histogram(
    name: string,
    options: MetricOptions & { readonly boundaries: readonly number[] },
  ): Histogram {
    const series = this.#series('histogram', name, options, options.boundaries)
    const { boundaries, counts } = series.buckets as NonNullable<Series['buckets']>
    return {
      record: (value) => {
        series.count++
        series.value += value
        const at = boundaries.findIndex((bound) => value <= bound)
        const bucket = at < 0 ? boundaries.length : at
        counts[bucket] = (counts[bucket] as number) + 1
      },
    }
  }

  /** All metrics, by name. */
  render(): string {
    const lines: string[] = []
    for (const name of [...this.#families.keys()].sort()) {
      const { kind, help, series } = this.#families.get(name) as Family
      lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`)
      lines.push(`# TYPE ${name} ${kind}`)
      for (const one of series.values()) lines.push(...seriesLines(name, one))
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`
  }

  #series(
    kind: Kind,
    name: string,
    options: MetricOptions,
    boundaries?: readonly number[],
  ): Series {
    const labels = options.labels ?? {}
    for (const [what, text] of [['name', name], ...Object.keys(labels).map((l) => ['label', l])]) {
      if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(text as string)) continue
      throw new FloeError('BAD_ARGUMENT', `Prometheus takes no metric with the ${what} "${text}"`)
    }
    let family = this.#families.get(name)
    if (family === undefined) {
      this.#families.set(name, (family = { kind, help: options.help, series: new Map() }))
    }
    if (family.kind !== kind) {
      throw new FloeError('BAD_ARGUMENT', `The metric ${name} is a ${family.kind}, not a ${kind}`)
    }
    const key = labelText(labels)
    let series = family.series.get(key)
    if (series === undefined) {
      series = {
        labels,
        value: 0,
        count: 0,
        ...(boundaries === undefined
          ? {}
          : { buckets: { boundaries, counts: new Float64Array(boundaries.length + 1) } }),
      }
      family.series.set(key, series)
    }
    return series
  }
}

function seriesLines(name: string, series: Series): string[] {
  const { labels, value, buckets, count } = series
  if (buckets === undefined) return [`${name}${labelText(labels)} ${numberText(value)}`]
  const lines: string[] = []
  let sum = 0
  for (const [i, n] of buckets.counts.entries()) {
    sum += n
    const bound = buckets.boundaries[i]
    const le = bound === undefined ? '+Inf' : numberText(bound)
    lines.push(`${name}_bucket${labelText({ ...labels, le })} ${sum}`)
  }
  lines.push(`${name}_sum${labelText(labels)} ${numberText(value)}`)
  lines.push(`${name}_count${labelText(labels)} ${count}`)
  return lines
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    return `${key}="${escaped}"`
  })
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
