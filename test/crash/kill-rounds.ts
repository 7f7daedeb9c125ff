/**
 * Kills a real writer process again and again, and looks after each kill: every acknowledged operation is there once,
 * the one under way as a whole or not at all, the table is sound, and the next writer goes on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { type Lake, type LakeOptions, openLake, schema, type Table, t } from '../../src/index.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { KILL_OPERATIONS, type KillRow } from '../fixtures/kill-operations.js'

const WORKER = fileURLToPath(new URL('../fixtures/kill-worker.js', import.meta.url))
const TABLE = 'x.killed'
/** From opening the lake after a kill to the first acknowledged commit. */
const MAX_RECOVERY_MS = 5_000

export const KILL_ROWS = schema({ id: t.long(), n: t.int() })

/** 25, or as many as the environment wants. */
export const KILLS: number = Number(process.env['FLOE_KILLS'] ?? 25)

export interface KillOptions {
  readonly location: string
  readonly operation: keyof typeof KILL_OPERATIONS
  readonly kills: number
  readonly seed: number
  /** For openLake, in this process and in the writer's: JSON. */
  readonly lake: LakeOptions
}

export interface KillResult {
  readonly acknowledged: number
  /** Operations that were under way when the writer died, and were done all the same. */
  readonly unacknowledgedDone: number
  readonly unacknowledgedAbsent: number
  readonly slowestRecoveryMs: number
}

export async function killRounds(options: KillOptions): Promise<KillResult> {
  const random = seededRandom(options.seed)
  const operation = KILL_OPERATIONS[options.operation]
  const lake = await openLake(options.location, { workers: 1, ...options.lake })
  const result = { acknowledged: 0, unacknowledgedDone: 0, unacknowledgedAbsent: 0, slowest: 0 }
  let next: Writer | undefined
  try {
    await lake.createTable(TABLE, KILL_ROWS, {
      formatVersion: options.seed % 2 === 0 ? 2 : 3,
      properties: { 'write.metadata.previous-versions-max': '5' },
    })
    let rows: readonly KillRow[] = []
    let first = 1
    next = new Writer(options)
    for (let kill = 0; kill < options.kills; kill++) {
      const writer: Writer = next
      await writer.goUntil(first, Math.floor(random() * 5), random() * 120)
      await writer.kill()
      // Starting a process takes longer than everything else.
      next = new Writer(options)
      result.slowest = Math.max(result.slowest, writer.recoveryMs ?? 0)
      result.acknowledged += writer.acknowledged.length
      for (const n of writer.acknowledged) rows = operation.apply(rows, n)
      first = Math.max(first, writer.started + 1)
      const started = performance.now()
      const table = await openKilled(lake)
      const found = await readRows(table)
      const underWay = writer.started > (writer.acknowledged.at(-1) ?? 0)
      const withIt = underWay ? operation.apply(rows, writer.started) : rows
      expect([text(rows), text(withIt)], `kill ${kill + 1}`).toContain(text(found))
      if (underWay) {
        if (text(found) === text(withIt)) result.unacknowledgedDone++
        else result.unacknowledgedAbsent++
      }
      await operation.run(table, first)
      result.slowest = Math.max(result.slowest, performance.now() - started)
      rows = operation.apply(found, first)
      first++
      const report = await (await openKilled(lake)).fsck()
      expect(report.problems, `kill ${kill + 1}`).toEqual([])
    }
    const table = await openKilled(lake)
    expect(text(await readRows(table))).toBe(text(rows))
    expect((await table.fsck({ data: 'all' })).problems).toEqual([])
  } finally {
    await next?.kill()
    await lake.close()
  }
  expect(result.slowest).toBeLessThanOrEqual(MAX_RECOVERY_MS)
  const { slowest, ...counts } = result
  return { ...counts, slowestRecoveryMs: Math.round(slowest) }
}

class Writer {
  readonly acknowledged: number[] = []
  /** The last operation that was begun. */
  started = 0
  /** From opening the lake to the first acknowledged operation, in milliseconds. */
  recoveryMs: number | undefined
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #ready = false
  #wentMs = 0
  #changed: () => void = () => undefined

  constructor(options: KillOptions) {
    this.#child = spawn(process.execPath, [WORKER, options.location, TABLE, options.operation], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_NO_WARNINGS: '1',
        FLOE_TEST_OPTIONS: JSON.stringify(options.lake),
      },
    })
    this.#ended = new Promise((resolve) => this.#child.on('close', resolve))
    this.#child.stdin?.on('error', () => undefined)
    const output = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    output.on('line', (line) => {
      const [what, n] = line.split(' ')
      if (what === 'ready') this.#ready = true
      if (what === 'start') this.started = Number(n)
      if (what === 'done') {
        this.acknowledged.push(Number(n))
        this.recoveryMs ??= performance.now() - this.#wentMs
      }
      this.#changed()
    })
  }

  /** Lets it work until `operations` were acknowledged, and some time longer. */
  async goUntil(first: number, operations: number, moreMs: number): Promise<void> {
    await this.#until(() => this.#ready)
    this.#wentMs = performance.now()
    this.#child.stdin?.write(`go ${first}\n`)
    await this.#until(() => this.acknowledged.length >= operations)
    await new Promise((resolve) => setTimeout(resolve, moreMs))
    expect(this.#child.exitCode, 'the writer must not end by itself').toBeNull()
  }

  /** Ends it and takes in what it still said. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #until(condition: () => boolean): Promise<void> {
    let over = false
    void this.#ended.then(() => {
      over = true
      this.#changed()
    })
    while (!condition()) {
      if (over) throw new Error('the writer ended by itself')
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }
}

async function openKilled(lake: Lake): Promise<Table<KillRow, KillRow>> {
  return (await lake.table(TABLE)) as unknown as Table<KillRow, KillRow>
}

async function readRows(table: Table<KillRow, KillRow>): Promise<readonly KillRow[]> {
  return table.scan().toArray()
}

/** The rows as text, in any order, each as often as it is there. */
function text(rows: readonly KillRow[]): string {
  return rows
    .map(({ id, n }) => `${id}/${n}`)
    .sort()
    .join(' ')
}
