/**
 * What a power loss leaves of a log that syncs: all that was acknowledged, and of the writes after it any blocks, since
 * the system writes them in any order. The state of the disk is made by hand: the mark is put back to where it was, and
 * blocks behind it are emptied.
 */
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Position } from '../../../src/stream/position.ts'
import { type EmbeddedLog, openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, valuesThere } from '../source-conformance.ts'

const ROUNDS = 60

interface Written {
  readonly folder: string
  /** The segment that is appended to, and what was synced of it when the power went. */
  readonly path: string
  readonly syncedBytes: number
  readonly acknowledged: number
  readonly values: readonly string[]
}

/** Groups of records, of which the last is in no state that is known; the mark is where it was after the first `marked`. */
async function written(groups: readonly string[][], marked: number): Promise<Written> {
  const folder = temporaryFolder()
  const log = await openLog(folder)
  await log.createTopic('t', { partitions: 1, segmentBytes: 40_000 })
  const send = async (some: readonly string[][]): Promise<void> => {
    const producer = await log.producer()
    for (const values of some) {
      const all = values.map((value) => ({ value }))
      await producer.send('t', all)
    }
    await producer.close()
  }
  await send(groups.slice(0, marked))
  const mark = readFileSync(`${folder}/t/0/synced`)
  await send(groups.slice(marked, -1))
  const [pathThen, bytesThen] = [lastSegment(folder), readFileSync(lastSegment(folder)).length]
  await send(groups.slice(-1))
  await log.close()
  writeFileSync(`${folder}/t/0/synced`, mark)
  const path = lastSegment(folder)
  return {
    folder,
    path,
    // A segment is begun when the one before it is synced.
    syncedBytes: path === pathThen ? bytesThen : 0,
    acknowledged: groups.slice(0, -1).flat().length,
    values: groups.flat(),
  }
}

function lastSegment(folder: string): string {
  const names = readdirSync(`${folder}/t/0`).filter((name) => name.endsWith('.log'))
  return `${folder}/t/0/${names.sort().at(-1)}`
}

/** All values, as another process sees them. */
async function valuesOf(folder: string): Promise<string[]> {
  const reader = await logSource({ folder, topics: 't' }).open(
    openOptions({ position: Position.EMPTY }),
  )
  try {
    await reader.endOffsets()
    return await valuesThere(reader)
  } finally {
    await reader.close()
  }
}

async function sendNext(log: EmbeddedLog): Promise<number> {
  const producer = await log.producer()
  try {
    return (await producer.send('t', [{ value: 'next' }]))[0]?.offset as number
  } finally {
    await log.close()
  }
}

/** Gives the offset that a record got which was sent after it. */
async function append(folder: string, durability: 'fsync' | 'os' = 'fsync'): Promise<number> {
  return sendNext(await openLog(folder, { durability }))
}

function empty(path: string, from: number, to: number): void {
  const bytes = readFileSync(path)
  bytes.fill(0, from, to)
  writeFileSync(path, bytes)
}

const group = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name} ${i} ${'x'.repeat(50)}`)

describe('after a power loss', () => {
  it('a hole in what was not synced is the end: whole records behind it were not acknowledged', async () => {
    const { folder, path, syncedBytes, values } = await written(
      [group('a', 10), group('b', 10), group('c', 10)],
      1,
    )
    const whole = readFileSync(path).length
    expect(syncedBytes).toBe((2 * whole) / 3)
    // In the second record of the last group.
    const hole = syncedBytes + whole / 30 + 40
    empty(path, hole, hole + 60)
    expect(await valuesOf(folder)).toEqual(values.slice(0, 21))
    expect(await append(folder)).toBe(21)
    expect(await valuesOf(folder)).toEqual([...values.slice(0, 21), 'next'])
  })

  it('a hole in what was synced after the mark is damage: a later group was begun', async () => {
    const groups = [group('a', 10), group('b', 10), group('c', 10)]
    const { folder, path } = await written(groups, 1)
    const whole = readFileSync(path).length
    empty(path, whole / 3 + 40, whole / 3 + 60)
    const before = readFileSync(path)
    await rejectionOf('CORRUPT_RECORDS', append(folder))
    await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('the first records of a segment may be the hole', async () => {
    const groups = [group('a', 200), group('b', 200), group('z', 100)]
    const { folder, path, syncedBytes, acknowledged, values } = await written(groups, 1)
    expect(syncedBytes).toBe(0)
    const base = Number(/(\d{20})\.log$/.exec(path)?.[1])
    expect(base).toBeGreaterThan(acknowledged)
    empty(path, 0, 512)
    expect(await valuesOf(folder)).toEqual(values.slice(0, base))
    expect(await append(folder)).toBe(base)
  })

  it('a hole in what was synced is damage, also where it is the end of the file', async () => {
    const { folder, path, syncedBytes } = await written([group('a', 10), group('b', 10)], 1)
    const intact = readFileSync(path)
    const frame = intact.length / 20
    const refused = async (offset: number): Promise<void> => {
      const before = readFileSync(path)
      for (const durability of ['fsync', 'os'] as const) {
        const produced = await rejectionOf('CORRUPT_RECORDS', append(folder, durability))
        const position = offset * frame
        expect(produced.context).toMatchObject({ topic: 't', partition: 0, offset, position })
      }
      expect(readFileSync(path).equals(before)).toBe(true)
      expect((await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))).context).toMatchObject({
        offset,
      })
    }
    empty(path, syncedBytes - 10, syncedBytes + 10)
    await refused(9)
    writeFileSync(path, intact)
    empty(path, 0, 10)
    await refused(0)
    writeFileSync(path, intact)
    truncateSync(path, syncedBytes - 1)
    await refused(9)
    truncateSync(path, 5 * frame)
    await refused(5)
  })

  it(`of ${ROUNDS} random kinds nothing acknowledged is gone, and the log goes on`, async () => {
    const seed = Number(process.env['FLOE_LOG_SEED'] ?? Date.now() % 1_000_000)
    console.log(`replay with: FLOE_LOG_SEED=${seed} npx vitest run test/stream/log/power-loss`)
    const random = seededRandom(seed)
    const below = (most: number): number => Math.floor(random() * most)
    for (let round = 0; round < ROUNDS; round++) {
      const groups = Array.from({ length: 2 + below(6) }, (_, g) =>
        Array.from(
          { length: 1 + below(30) },
          (_, i) => `${round} ${g} ${i} ${'y'.repeat(below(400))}`,
        ),
      )
      const state = await written(groups, 1 + below(groups.length - 1))
      const { folder, path, syncedBytes, acknowledged, values } = state
      const bytes = readFileSync(path)
      for (let holes = below(4); holes > 0; holes--) {
        const from = syncedBytes + below(bytes.length - syncedBytes)
        const to = Math.min(bytes.length, from + 1 + below(3000))
        if (random() < 0.5) bytes.fill(0, from, to)
        // Blocks that another file had before.
        else bytes.fill(`${below(1_000_000)}`, from, to)
      }
      const end = random() < 0.5 ? bytes.length : syncedBytes + below(bytes.length - syncedBytes)
      writeFileSync(path, bytes.subarray(0, end))
      const seen = await valuesOf(folder)
      expect(seen.length).toBeGreaterThanOrEqual(acknowledged)
      expect(seen).toEqual(values.slice(0, seen.length))
      expect(await append(folder)).toBe(seen.length)
      expect(await valuesOf(folder)).toEqual([...seen, 'next'])
      // And what was acknowledged is never cut off.
      const now = readFileSync(lastSegment(folder))
      const at = below(now.length)
      now[at] = (now[at] as number) ^ (1 << below(8))
      writeFileSync(lastSegment(folder), now)
      await rejectionOf('CORRUPT_RECORDS', append(folder))
      expect(readFileSync(lastSegment(folder)).equals(now)).toBe(true)
      rmSync(folder, { recursive: true })
    }
  }, 120_000)
})

describe('the mark', () => {
  it('is where the sync before it ended, for each partition', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await log.createTopic('t', { partitions: 2 })
    const producer = await log.producer()
    await producer.send('t', [{ value: 'x'.repeat(68), partition: 1 }])
    await producer.close()
    const mark = (partition: number): Buffer => readFileSync(`${folder}/t/${partition}/synced`)
    expect([mark(0).readUInt32LE(4), mark(1).readUInt32LE(4)]).toEqual([0, 100])
    await log.close()
  })

  it('that is damaged, or of no log with one, leaves all damage that records follow to be reported', async () => {
    const state = await written([group('a', 10), group('b', 10)], 1)
    const { folder, path, syncedBytes } = state
    empty(path, syncedBytes, syncedBytes + 10)
    const mark = readFileSync(`${folder}/t/0/synced`)
    for (const other of [mark.subarray(1), Buffer.alloc(16), Buffer.alloc(0)]) {
      writeFileSync(`${folder}/t/0/synced`, other)
      await rejectionOf('CORRUPT_RECORDS', append(folder))
      await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
    }
    rmSync(`${folder}/t/0/synced`)
    await rejectionOf('CORRUPT_RECORDS', append(folder))
    await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
    writeFileSync(`${folder}/t/0/synced`, mark)
    expect(await append(folder)).toBe(10)
  })

  it('is gone while a producer appends that does not sync: its records are acknowledged without', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await log.createTopic('t', { partitions: 1 })
    expect(await sendNext(log)).toBe(0)
    expect(existsSync(`${folder}/t/0/synced`)).toBe(true)
    for (let offset = 1; offset < 4; offset++) expect(await append(folder, 'os')).toBe(offset)
    expect(existsSync(`${folder}/t/0/synced`)).toBe(false)
    const path = lastSegment(folder)
    const frame = readFileSync(path).length / 4
    empty(path, frame, frame + 10)
    await rejectionOf('CORRUPT_RECORDS', append(folder))
  })
})
