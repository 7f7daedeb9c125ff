/** Shared by the benchmarks: generated data, child processes, memory, the table of results. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { run } from './processes.js'

export interface Figure {
  readonly name: string
  readonly value: string
  /** The bar to reach, with its direction. */
  readonly bar?: string
  readonly reached?: boolean
  /** The same work by another engine, in the same run. */
  readonly peer?: string
  /** Lines below the figure. */
  readonly notes?: readonly string[]
}

/** Runs a benchmark in a process of its own, so that memory and start-up are its own, and gives its last line as JSON. */
export async function inChild<T>(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const what = `${script} ${args.join(' ')}`
  return lastLine<T>(await run(process.execPath, [script, ...args], what, env))
}

/** Highest resident memory of this process so far, in MiB. */
export function peakRssMiB(): number {
  return statusMiB('VmHWM')
}

/** Resident memory of this process now, in MiB. */
export function rssMiB(): number {
  return statusMiB('VmRSS')
}

function statusMiB(line: string): number {
  const match = new RegExp(`${line}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))
  return Math.round(Number(match?.[1] ?? 0) / 1024)
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'floe-bench-'))
  const remove = (): void => {
    process.off('exit', remove)
    // Processes that were ended just now may still be writing.
    rmSync(path, { recursive: true, force: true, maxRetries: 5 })
  }
  process.on('exit', remove)
  return { path, remove }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export function machine(): string {
  const cpu = cpus()
  return `${cpu.length} × ${cpu[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}

/** Runs Python code of a peer; null where the peer is not installed. The code prints one JSON value. */
export async function python<T>(
  interpreter: string | undefined,
  code: string,
  args: readonly string[],
): Promise<T | null> {
  if (interpreter === undefined) return null
  return lastLine<T>(await run(interpreter, ['-c', code, ...args], 'A peer'))
}

/** The last line of what a program printed, as JSON. */
export function lastLine<T>(output: string): T {
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T
}

export function printFigures(figures: readonly Figure[]): void {
  const rows = [
    ['figure', 'measured', 'bar', '', 'peer'],
    ...figures.map((f) => [
      f.name,
      f.value,
      f.bar ?? '',
      f.bar === undefined ? '' : f.reached ? 'reached' : 'MISSED',
      f.peer ?? '',
    ]),
  ]
  const widths = rows[0]?.map((_, c) => Math.max(...rows.map((r) => r[c]?.length ?? 0))) ?? []
  for (const [i, row] of rows.entries()) {
    console.log(row.map((cell, c) => cell.padEnd(widths[c] ?? 0)).join('  '))
    if (i === 0) console.log(widths.map((w) => '-'.repeat(w)).join('  '))
    for (const note of figures[i - 1]?.notes ?? []) console.log(`    ${note}`)
  }
}
