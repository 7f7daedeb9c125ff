/** One line that says how the stream is doing: rewritten on a terminal, else written once a batch. */
import type { StreamProgress } from 'floe/stream'

export class ProgressLine {
  readonly #write: (text: string) => void
  readonly #isTerminal: boolean
  readonly #startedMs = performance.now()
  #commits = 0
  #rows = 0
  #files = 0
  #isOpen = false

  constructor(out: { write(text: string): unknown; readonly isTTY?: boolean | undefined }) {
    this.#write = (text) => void out.write(text)
    this.#isTerminal = out.isTTY === true
  }

  get rows(): number {
    return this.#rows
  }

  update(progress: StreamProgress, viral: readonly string[]): void {
    this.#commits++
    this.#rows += progress.rows
    for (const { filesAdded } of progress.tables) this.#files += filesAdded
    const text = [
      `${((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(6)} s`,
      `${whole(progress.inputRowsPerSecond)} rows/s`,
      `lag ${progress.lagRecords === null ? '?' : whole(progress.lagRecords)}`,
      `freshness ${progress.freshnessMs === null ? '?' : (progress.freshnessMs / 1000).toFixed(2)} s`,
      `commits ${whole(this.#commits)}`,
      `rows ${whole(this.#rows)}`,
      `files ${whole(this.#files)}`,
      ...(viral.length === 0 ? [] : [`viral: ${viral.join(' ')}`]),
    ].join('  ')
    this.#write(this.#isTerminal ? `\r\x1b[2K${text}` : `${text}\n`)
    this.#isOpen = this.#isTerminal
  }

  /** Begins a new line where the last one is open. */
  end(): void {
    if (this.#isOpen) this.#write('\n')
    this.#isOpen = false
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
