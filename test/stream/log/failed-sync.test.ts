/**
 * A disk that fails to write what the system has taken. As on Linux that is told once, by the next sync of the file; from
 * then on the pages pass for written, so that they can be read, and later syncs succeed. A power loss shows what is there.
 */
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { type EmbeddedLog, openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { PartitionWriter } from '../../../src/stream/sources/log/partition-writer.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, valuesThere } from '../source-conformance.ts'

type Range = readonly [from: number, to: number]

class Disk {
  /** By inode: what was written since the last sync, and what no sync will write any more. */
  readonly #dirty = new Map<number, Range[]>()
  readonly #lost = new Map<number, Range[]>()
  #fails = false
  #largestRead = 0
  readonly #restore: () => void

  constructor(handle: FileHandle) {
    const methods = Object.getPrototypeOf(handle) as Record<
      'write' | 'read' | 'sync' | 'datasync',
      (...args: unknown[]) => Promise<unknown>
    >
    const { write, read, sync, datasync } = methods
    const written = (file: FileHandle, range: Range): void => this.#written(inodeOf(file), range)
    const sees = (bytes: number): void => {
      this.#largestRead = Math.max(this.#largestRead, bytes)
    }
    const syncs = (file: FileHandle, isOfRecords: boolean): void =>
      this.#sync(inodeOf(file), isOfRecords)
    methods.write = async function (this: FileHandle, ...args: unknown[]): Promise<unknown> {
      const result = (await write.apply(this, args)) as { bytesWritten: number }
      const [, , , position] = args as [Buffer, number, number, number]
      written(this, [position, position + result.bytesWritten])
      return result
    }
    methods.read = function (this: FileHandle, ...args: unknown[]): Promise<unknown> {
      sees(args[2] as number)
      return read.apply(this, args)
    }
    for (const name of ['sync', 'datasync'] as const) {
      methods[name] = async function (this: FileHandle): Promise<void> {
        syncs(this, name === 'datasync')
      }
    }
    this.#restore = () => Object.assign(methods, { write, read, sync, datasync })
  }

  /** Bytes of the largest one that was asked for. */
  get largestRead(): number {
    return this.#largestRead
  }

  /** The next fdatasync, as records are synced, of a file that has something to write fails. */
  failNextSync(): void {
    this.#fails = true
  }

  losePower(folder: string): void {
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.log'))) {
      const { ino } = statSync(`${folder}/${name}`)
      const file = openSync(`${folder}/${name}`, 'r+')
      for (const [from, to] of [...(this.#lost.get(ino) ?? []), ...(this.#dirty.get(ino) ?? [])]) {
        writeSync(file, new Uint8Array(to - from), 0, to - from, from)
      }
      closeSync(file)
    }
  }

  restore(): void {
    this.#restore()
  }

  #written(ino: number, range: Range): void {
    const [from, to] = range
    this.#dirty.set(ino, [...(this.#dirty.get(ino) ?? []), range])
    const left = (this.#lost.get(ino) ?? []).flatMap(([start, end]): Range[] => {
      const rest: Range[] = [
        [start, Math.min(end, from)],
        [Math.max(start, to), end],
      ]
      return rest.filter(([a, b]) => a < b)
    })
    this.#lost.set(ino, left)
  }

  #sync(ino: number, isOfRecords: boolean): void {
    const dirty = this.#dirty.get(ino) ?? []
    this.#dirty.delete(ino)
    if (!this.#fails || !isOfRecords || dirty.length === 0) return
    this.#fails = false
    this.#lost.set(ino, [...(this.#lost.get(ino) ?? []), ...dirty])
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  }
}

function inodeOf({ fd }: FileHandle): number {
  return fstatSync(fd).ino
}

const values = (name: string, count: number, bytes = 20): string[] =>
  Array.from({ length: count }, (_, i) => `${name}-${i}-${'x'.repeat(bytes)}`)

async function send(log: EmbeddedLog, texts: readonly string[]): Promise<number | undefined> {
  const producer = await log.producer()
  try {
    const all = texts.map((value) => ({ value }))
    return (await producer.send('t', all))[0]?.offset
  } finally {
    await producer.close()
  }
}

async function valuesOf(folder: string): Promise<string[]> {
  const reader = await logSource({ folder, topics: 't' }).open(openOptions())
  try {
    await reader.endOffsets()
    return await valuesThere(reader)
  } finally {
    await reader.close()
  }
}

describe('after a sync that failed', () => {
  let disk: Disk
  let log: EmbeddedLog
  let folder: string
  beforeEach(async () => {
    folder = temporaryFolder()
    log = await openLog(folder)
    await log.createTopic('t', { partitions: 1 })
    const handle = await open(`${folder}/.probe`, 'w')
    disk = new Disk(handle)
    await handle.close()
  })
  afterEach(async () => {
    disk.restore()
    await log.close()
  })

  for (const fenced of [false, true]) {
    const by = fenced ? 'that ends the segment' : 'that goes on with the segment'
    it(`what is kept of the records is written anew by a producer ${by}`, async () => {
      const [first, failed] = [values('first', 10), values('failed', 30, 100_000)]
      await send(log, first)
      disk.failNextSync()
      await rejectionOf('STORE_UNAVAILABLE', send(log, failed))
      const [lock] = readdirSync(`${folder}/.lock`)
      if (fenced) writeFileSync(`${folder}/.lock/${lock}`, 'fence')
      const all = [...first, ...failed, 'next', 'last']
      expect(await send(log, ['next'])).toBe(40)
      // What was sent in one group may be of any size.
      expect(disk.largestRead).toBeLessThan(2 * 1024 * 1024)
      disk.losePower(`${folder}/t/0`)
      expect(await valuesOf(folder)).toEqual(all.slice(0, -1))
      expect(await send(log, ['last'])).toBe(41)
      expect(await valuesOf(folder)).toEqual(all)
    })
  }

  it('where the mark cannot be read all of the segment is written anew', async () => {
    const first = values('first', 10)
    await send(log, first)
    disk.failNextSync()
    await rejectionOf('STORE_UNAVAILABLE', send(log, ['failed']))
    writeFileSync(`${folder}/t/0/synced`, 'damaged')
    await send(log, ['next'])
    disk.losePower(`${folder}/t/0`)
    expect(await valuesOf(folder)).toEqual([...first, 'failed', 'next'])
  })

  it('a reader gives nothing of its records until they are written anew', async () => {
    const first = values('first', 10)
    await send(log, first)
    disk.failNextSync()
    await rejectionOf('STORE_UNAVAILABLE', send(log, ['failed']))
    expect(await valuesOf(folder)).toEqual(first)
    await send(log, ['next'])
    expect(await valuesOf(folder)).toEqual([...first, 'failed', 'next'])
    expect(readdirSync(`${folder}/t/0`)).not.toContain('cut')
  })

  it('a reader whose own it was gives nothing of them either, however often it is asked', async () => {
    const first = values('first', 10)
    await send(log, first)
    const reader = await logSource({ folder, topics: 't' }).open(openOptions())
    expect(await valuesThere(reader)).toEqual(first)
    const [topic] = await log.topics()
    if (topic === undefined) throw new Error('no topic')
    // What a producer that was killed before it synced has left.
    const killed = await PartitionWriter.open({
      log: folder,
      topic,
      partition: 0,
      runtime: systemRuntime,
      sync: true,
      files: folder,
      confirm: async () => undefined,
      onRetentionFailure: () => undefined,
    })
    killed.stage({ value: 'left' }, 0)
    await killed.write()
    await killed.close()
    disk.failNextSync()
    for (let i = 0; i < 3; i++) await rejectionOf('SOURCE_UNAVAILABLE', valuesThere(reader))
    await send(log, ['next'])
    disk.losePower(`${folder}/t/0`)
    expect(await valuesThere(reader)).toEqual(['left', 'next'])
    await reader.close()
    expect(readFileSync(`${folder}/t/0/synced`).readUInt32LE(4)).toBeGreaterThan(0)
  })
})
