/** Shared by the benchmarks: generated data, child processes, memory, the table of results. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

export interface Figure {
  readonly name: string
  readonly value: string
  /** The bar to reach, with its direction. */
  readonly bar?: string
  readonly reached?: boolean
  /** The same work by another engine, in the same run. */
  readonly peer?: string
}

/** Runs a benchmark in a process of its own, so that memory and start-up are its own, and gives its last line as JSON. */
export function inChild<T>(script: string, args: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`${script} ${args.join(' ')} ended with ${code}`))
      else resolve(JSON.parse(out.trim().split('\n').at(-1) ?? '') as T)
    })
  })
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
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
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
export function python<T>(
  interpreter: string | undefined,
  code: string,
  args: readonly string[],
): T | null {
  if (interpreter === undefined) return null
  const result = spawnSync(interpreter, ['-c', code, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (result.status !== 0) throw new Error(`A peer failed:\n${result.stderr}`)
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as T
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
  }
}
