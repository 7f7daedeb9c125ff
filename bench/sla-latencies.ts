/** Latencies of many events, counted in tens of milliseconds. */
import type { TimeCounts } from './sla-read-times.js'

export class Latencies {
  /** Events by tens of milliseconds. */
  readonly #counts = new Map<number, number>()
  #events = 0
  max = 0

  /** @param times how many events were due when. */
  add(atMs: number, times: TimeCounts): void {
    for (const [tens, count] of times) {
      const ms = Math.max(0, atMs - tens * 10)
      const bin = Math.floor(ms / 10)
      this.#counts.set(bin, (this.#counts.get(bin) ?? 0) + count)
      this.#events += count
      this.max = Math.max(this.max, ms)
    }
  }

  get events(): number {
    return this.#events
  }

  /** In milliseconds. */
  quantile(q: number): number {
    let left = q * this.#events
    for (const [bin, count] of this.sorted()) {
      left -= count
      if (left <= 0) return (bin + 1) * 10
    }
    return 0
  }

  /** Counts by tens of milliseconds, ascending. */
  sorted(): (readonly [tensOfMs: number, count: number])[] {
    return [...this.#counts].sort(([a], [b]) => a - b)
  }

  /** A histogram of bars, with quantiles and the worst case. */
  print(title: string): void {
    const s = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
    console.log(
      `\n${title}: p50 ${s(this.quantile(0.5))}, p99 ${s(this.quantile(0.99))}, worst ${s(this.max)} of ${this.#events.toLocaleString('en')} events`,
    )
    const wide = Math.max(1, Math.ceil(this.max / 10 / 20))
    const bars = new Map<number, number>()
    for (const [bin, count] of this.sorted()) {
      const bar = Math.floor(bin / wide)
      bars.set(bar, (bars.get(bar) ?? 0) + count)
    }
    const most = Math.max(1, ...bars.values())
    for (const [bar, count] of bars) {
      const from = s(bar * wide * 10).padStart(8)
      console.log(`  ${from}  ${'█'.repeat(Math.max(1, Math.round((count / most) * 50)))} ${count}`)
    }
  }
}
