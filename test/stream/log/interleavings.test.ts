/**
 * Owners of a partition that follow one another, while those before go on where they stood still, and readers: each
 * operation of one on a file may come between any two of the others. What `partition-fence.ts` says of the orders there are
 * is tried here. A reader gives each record of the log once, none else, and none that was acknowledged is lost.
 */
import { mkdirSync, renameSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { foreignLog, type LogView } from '../../../src/stream/sources/log/log-view.ts'
import { fencePartition } from '../../../src/stream/sources/log/partition-fence.ts'
import { PartitionReader } from '../../../src/stream/sources/log/partition-reader.ts'
import {
  PartitionWriter,
  type WriterOptions,
} from '../../../src/stream/sources/log/partition-writer.ts'
import { readTopic, type Topic } from '../../../src/stream/sources/log/topic-folder.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { records } from '../source-conformance.ts'
import { FileSteps } from './file-steps.ts'

const ROUNDS = Number(process.env['FLOE_STEP_ROUNDS'] ?? 150)

class Log {
  readonly folder: string
  readonly topic: Topic
  readonly sync: boolean
  readonly acknowledged = new Map<number, string>()
  #owners = 0

  constructor(folder: string, topic: Topic, sync: boolean) {
    this.folder = folder
    this.topic = topic
    this.sync = sync
    mkdirSync(`${folder}/.lock`)
  }

  /** As {@link LogLock} does it. */
  own(): WriterOptions {
    const number = ++this.#owners
    const files = (of: number): string => `${this.folder}/.lock/files-${of}`
    if (number > 1) renameSync(files(number - 1), files(-number))
    mkdirSync(files(number))
    return {
      log: this.folder,
      topic: this.topic,
      partition: 0,
      runtime: systemRuntime,
      sync: this.sync,
      files: files(number),
      confirm: async () => {
        if (this.#owners !== number) throw new Error('another one has the log')
      },
      onRetentionFailure: () => undefined,
    }
  }

  /** As {@link LogProducer} does it. */
  async send(writer: PartitionWriter, { confirm }: WriterOptions, texts: string[]): Promise<void> {
    await confirm()
    const offsets = texts.map((value) => writer.stage({ value }, 0))
    await writer.write()
    if (this.sync) await writer.sync()
    await confirm()
    writer.publish()
    for (const [i, offset] of offsets.entries()) {
      expect(this.acknowledged.has(offset)).toBe(false)
      this.acknowledged.set(offset, texts[i] as string)
    }
    await writer.markSynced()
  }
}

class Reader {
  readonly seen = new Map<number, string>()
  readonly #reader: PartitionReader
  readonly #block = Buffer.alloc(64 * 1024)

  constructor(reader: PartitionReader) {
    this.#reader = reader
  }

  /** Gives whether there was something. */
  async take(): Promise<boolean> {
    const of = { block: this.#block, maxRecordBytes: 1000, budget: 1000, first: true }
    const chunk = await this.#reader.take(of)
    if (chunk === undefined || chunk === 'full') return false
    for (const { offset, value } of records([chunk])) {
      expect(offset).toBe(this.seen.size)
      this.seen.set(offset, Buffer.from(value ?? []).toString())
    }
    return true
  }

  end(): Promise<number> {
    return this.#reader.end()
  }

  async takeAll(): Promise<Map<number, string>> {
    while (await this.take());
    return this.seen
  }

  close(): Promise<void> {
    return this.#reader.close()
  }
}

async function round(steps: FileSteps, random: () => number): Promise<void> {
  const sync = random() < 0.6
  const before = random() < 0.4 ? 0 : 3
  const owners = random() < 0.5 ? 1 : 2
  const folder = temporaryFolder()
  const made = await openLog(folder, { durability: 'os' })
  await made.createTopic('t', { partitions: 1, segmentBytes: random() < 0.5 ? 150 : 10_000 })
  const log = new Log(folder, await readTopic(folder, 't'), sync)

  const first = log.own()
  const late = await PartitionWriter.open(first)
  const values = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${name}-${i}`)
  if (before > 0) await log.send(late, first, values('first', before))

  // The view of the process of the second owner.
  let own: PartitionWriter | undefined
  const view: LogView = {
    ...foreignLog(folder),
    limit: () => own?.end,
    lastSegment: () => own?.base,
  }
  const readers: Reader[] = []
  for (const each of [foreignLog(folder), foreignLog(folder), view, view]) {
    const reader = new Reader(await PartitionReader.open(each, log.topic, 0, 0))
    readers.push(reader)
    // Half of them have to begin.
    if (readers.length % 2 === 0) await reader.takeAll()
  }

  const writers = [late]
  /** What an owner meets that has lost the log. */
  const unlessLost = async (
    { confirm }: WriterOptions,
    task: () => Promise<void>,
  ): Promise<void> => {
    try {
      await task()
    } catch (error) {
      const lost = await confirm().then(
        () => false,
        () => true,
      )
      if (!lost) throw error
    }
  }
  steps.start('late', async () => {
    await late.markSynced()
    await unlessLost(first, () => log.send(late, first, values('late', 2)))
    // It looked whether it has the log, then stood still.
    await unlessLost(first, async () => {
      for (const group of [values('later', 2), values('latest', 3)]) {
        for (const value of group) late.stage({ value }, 0)
        await late.write()
      }
    })
  })
  for (let owner = 1; owner <= owners; owner++) {
    steps.start(`owner ${owner}`, async () => {
      const options = log.own()
      await unlessLost(options, async () => {
        await fencePartition(options)
        const writer = await PartitionWriter.open(options)
        writers.push(writer)
        if (owner === 1) own = writer
        await log.send(writer, options, values(`owner ${owner}`, 2))
        await log.send(writer, options, values(`owner ${owner} more`, 3))
      })
    })
  }
  for (const [i, reader] of readers.entries()) {
    steps.start(`reader ${i}`, async () => {
      for (let reads = 0; reads < 4; reads++) {
        if (random() < 0.3) expect(await reader.end()).toBeGreaterThanOrEqual(reader.seen.size)
        await reader.take()
      }
    })
  }
  await steps.play(random)

  own = undefined
  // Who comes last finds all fences ended, or ends them.
  const last = log.own()
  await fencePartition(last)
  const writer = await PartitionWriter.open(last)
  await log.send(writer, last, ['last'])
  const fresh = new Reader(await PartitionReader.open(foreignLog(folder), log.topic, 0, 0))
  const all = await fresh.takeAll()
  expect([...all.values()].at(-1)).toBe('last')
  for (const [offset, value] of log.acknowledged) expect(all.get(offset)).toBe(value)
  for (const reader of [...readers, fresh]) {
    expect(await reader.takeAll()).toEqual(all)
    expect(await reader.end()).toBe(all.size)
    await reader.close()
  }
  for (const each of [...writers, writer]) await each.close()
}

describe('owners and readers', () => {
  const steps = new FileSteps()
  beforeAll(() => steps.install(`${temporaryFolder()}/probe`))
  afterAll(() => steps.restore())

  it(`that stand still anywhere, in ${ROUNDS} orders`, async () => {
    const seed = Number(process.env['FLOE_STEP_SEED'] ?? Date.now() % 1_000_000)
    for (let i = 0; i < ROUNDS; i++) {
      try {
        await round(steps, seededRandom(seed + i))
      } catch (error) {
        console.log(
          `replay with: FLOE_STEP_ROUNDS=1 FLOE_STEP_SEED=${seed + i} npx vitest run test/stream/log/interleavings`,
        )
        throw error
      }
    }
  }, 120_000)
})
