/**
 * Runners in several processes that share a stream and a consumer group: they come and go, are killed and are stopped in
 * the middle of their work until the group has given them up. streaming.md §2, §5, §6. Needs `tsc -b` before.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { openLake, schema, t } from '../../../src/index.ts'
import { type StreamResult, stream, verifyLedger } from '../../../src/stream/index.ts'
import { expectSound, localLake, temporaryFolder } from '../../support/lakes.ts'
import { BROKER, Client, HAS_KAFKA, source } from './broker.ts'

const PARTITIONS = 4
const KEYS = 20

/**
 * A stream over the topic that prints what it commits and what it warns of. Its interval leaves others time to commit to the
 * same tables: who takes longer for an attempt than the other one pauses is never first.
 */
const PROGRAM = `
const [, dist, lakeFolder, broker, topic] = process.argv
const { openLake } = await import(dist + 'index.js')
const { stream } = await import(dist + 'stream/index.js')
const { kafkaSource } = await import(dist + 'stream/sources/kafka/index.js')
const lake = await openLake(lakeFolder, { workers: 1, durability: 'os' })
const print = (line) => process.stdout.write(line + '\\n')
const run = stream({
  lake,
  id: 'shared',
  source: kafkaSource({
    brokers: [broker], topics: topic, groupId: topic, assignment: 'group',
    sessionTimeoutMs: 3000, rebalanceTimeoutMs: 5000,
  }),
  tables: ['x.events', 'x.counts'],
  trigger: { intervalMs: 500 },
  stopOn: ['SIGTERM'],
  foreachBatch: async (batch, tx) => {
    const counts = new Map()
    const rows = []
    for (const { partition, offset, key } of batch.records()) {
      const name = Buffer.from(key).toString()
      counts.set(name, (counts.get(name) ?? 0) + 1)
      rows.push({ place: partition, at: offset, key: name })
    }
    await tx.append('x.events', rows)
    await tx.upsert('x.counts', [...counts].map(([key, count]) => ({ key, count })), { increment: ['count'] })
  },
  onEvent: (event) => {
    if (event.type === 'progress') print('rows ' + event.progress.rows)
    if (event.type === 'warning') print('warning ' + event.error.code + ' ' + event.error.message)
  },
})
await run.done.catch((error) => print('failed ' + error.code + ' ' + error.message))
await lake.close()
`

class Runner {
  rows = 0
  readonly lines: string[] = []
  readonly #child: ChildProcess
  readonly #exit: Promise<unknown>

  constructor(lake: string, topic: string) {
    const dist = new URL('../../../dist/src/', import.meta.url).href
    const args = ['--input-type=module', '-e', PROGRAM, dist, lake, BROKER, topic]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#exit = once(this.#child, 'exit')
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('rows ')) this.rows += Number(line.slice(5))
      else this.lines.push(line)
    })
  }

  get conflicts(): number {
    return this.lines.filter((line) => line.startsWith('warning STREAM_CONFLICT')).length
  }

  get failures(): string[] {
    return this.lines.filter((line) => line.startsWith('failed'))
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async end(name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(name)
    await this.#exit
  }
}

async function until(what: () => boolean | Promise<boolean>, why: string): Promise<void> {
  const end = Date.now() + 60_000
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`waited in vain: ${why}`)
    await systemRuntime.sleep(50)
  }
}

describe.runIf(HAS_KAFKA)('runners of one consumer group', () => {
  const client = new Client(BROKER)
  beforeAll(async () => {
    await client.connect()
  })
  afterAll(async () => {
    await client.disconnect()
  })
  const ends: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  it('have each offset once, whoever comes, goes, dies or sleeps', async () => {
    const topic = `shared-${Date.now()}`
    await client.createTopic(topic, PARTITIONS)
    const folder = `${temporaryFolder()}/lake`
    const lake = await openLake(folder, { workers: 1, durability: 'os' })
    await lake.createTable('x.events', schema({ place: t.int(), at: t.long(), key: t.string() }))
    await lake.createTable(
      'x.counts',
      schema({ key: t.string(), count: t.long() }, { key: ['key'] }),
    )
    const sent = new Array<number>(PARTITIONS).fill(0)
    let isProducing = true
    const producing = (async () => {
      while (isProducing) {
        const messages = Array.from({ length: PARTITIONS * 5 }, (_, i) => {
          const partition = i % PARTITIONS
          const n = (sent[partition] as number)++
          return { key: `k${n % KEYS}`, value: `${n}`, partition }
        })
        await client.producer.send({ topic, messages })
        await systemRuntime.sleep(20)
      }
    })()
    ends.push(() => {
      isProducing = false
      return producing
    })
    const runners: Runner[] = []
    const start = (): Runner => {
      const runner = new Runner(folder, topic)
      runners.push(runner)
      ends.push(() => runner.end('SIGKILL'))
      return runner
    }
    const goesOn = async (runner: Runner): Promise<void> => {
      const { rows } = runner
      await until(() => runner.rows > rows, `a runner does not go on:\n${runner.lines.join('\n')}`)
    }
    const first = start()
    await goesOn(first)
    const second = start()
    await goesOn(second)
    for (let round = 0; round < 3; round++) {
      const visitor = start()
      await goesOn(visitor)
      await visitor.end('SIGTERM')
      await goesOn(first)
    }
    // Its partitions are given to others while it sleeps, and are committed by them.
    for (let round = 0; round < 2; round++) {
      first.signal('SIGSTOP')
      await systemRuntime.sleep(6000)
      await goesOn(second)
      first.signal('SIGCONT')
      await goesOn(first)
      await goesOn(second)
    }
    await second.end('SIGKILL')
    const third = start()
    await goesOn(third)
    await goesOn(first)
    isProducing = false
    await producing
    const total = sent.reduce((sum, n) => sum + n, 0)
    const covered = async (): Promise<number> =>
      verifyLedger(await lake.table('x.events')).streams[0]?.offsets ?? 0
    await until(async () => (await covered()) >= total, 'the tables do not get all')
    await Promise.all([first.end('SIGTERM'), third.end('SIGTERM')])
    expect(runners.flatMap(({ failures }) => failures)).toEqual([])

    const [events, counts] = [await lake.table('x.events'), await lake.table('x.counts')]
    const rows = await events.scan().toArray()
    const found = rows.map((row) => `${Number(row['place'])}/${Number(row['at'])}`).sort()
    const expected = sent.flatMap((n, p) => Array.from({ length: n }, (_, at) => `${p}/${at}`))
    expect(found).toEqual(expected.sort())
    const byKey = new Map<string, number>()
    for (const row of rows) {
      const key = String(row['key'])
      byKey.set(key, (byKey.get(key) ?? 0) + 1)
    }
    const counted = await counts.scan().toArray()
    expect(new Map(counted.map((row) => [String(row['key']), Number(row['count'])]))).toEqual(byKey)
    for (const table of [events, counts]) {
      expect(verifyLedger(table).streams[0]?.problems).toEqual([])
      await expectSound(table)
    }
    // Each has taken part.
    expect(runners.every((runner) => runner.rows > 0)).toBe(true)
    console.log(
      `${total} offsets, ${runners.length} processes, ${runners.reduce((n, r) => n + r.conflicts, 0)} batches dropped in rebalances`,
    )
    await lake.close()
  }, 300_000)

  it('of two groups do not go on together under one id', async () => {
    const topic = `two-groups-${Date.now()}`
    await client.createTopic(topic, 1)
    const lake = await localLake()
    await lake.createTable('x.events', schema({ at: t.long() }))
    const stop = new AbortController()
    const start = (groupId: string): Promise<StreamResult> =>
      stream({
        lake,
        id: 'shared',
        source: source(BROKER, { topics: topic, groupId }),
        tables: ['x.events'],
        trigger: { intervalMs: 100 },
        signal: stop.signal,
        foreachBatch: (batch, tx) =>
          tx.append(
            'x.events',
            [...batch.records()].map(({ offset }) => ({ at: offset })),
          ),
      }).done
    let sent = 0
    const runs = [start(`${topic}-a`), start(`${topic}-b`)]
    const over = Promise.any(
      runs.map((run) =>
        run.then(
          () => Promise.reject(),
          (error) => error,
        ),
      ),
    )
    let first: unknown
    over.then((error) => (first = error)).catch(() => undefined)
    while (first === undefined) {
      await client.producer.send({ topic, messages: [{ value: `${sent++}` }] })
      await systemRuntime.sleep(20)
    }
    expect(first).toMatchObject({ code: 'STREAM_CONFLICT' })
    await until(
      async () => (verifyLedger(await lake.table('x.events')).streams[0]?.offsets ?? 0) >= sent,
      'the other one does not go on',
    )
    stop.abort()
    const ended = await Promise.allSettled(runs)
    expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const rows = await (await lake.table('x.events')).scan().toArray()
    expect(rows.map((row) => Number(row['at'])).sort((a, b) => a - b)).toEqual(
      Array.from({ length: sent }, (_, offset) => offset),
    )
  }, 240_000)
})
