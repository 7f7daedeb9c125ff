/**
 * Producers in places where process ids mean something else: containers that share a volume, machines, the same machine
 * after it was started anew. Needs `tsc -b` before.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { EmbeddedLog, openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import type { LogProducer } from '../../../src/stream/sources/log/log-producer.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { PartitionWriter } from '../../../src/stream/sources/log/partition-writer.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, take } from '../source-conformance.ts'

const MODULE = new URL('../../../dist/src/stream/sources/log/embedded-log.js', import.meta.url).href
const BEAT_MS = 320
const WATCH_MS = 7.5 * BEAT_MS
/** Much less than the time that an owner elsewhere is watched for. */
const DECIDED_MS = 5_000

/** Opens a producer again and again, sends until it fails, and prints what was acknowledged and the code of each failure. */
const PROGRAM = `
const { EmbeddedLog } = await import(process.argv[1])
const [, , folder, name, beatMs, place, again] = process.argv
const log = new EmbeddedLog(folder, {}, { beatMs: Number(beatMs), ...(place && { place }) })
let count = 0
do {
  try {
    const producer = await log.producer()
    console.log('open ' + process.pid)
    try {
      for (;;) {
        const value = name + '-' + count++ + '-' + 'x'.repeat((count * 7919) % 3000)
        const [{ partition, offset }] = await producer.send('t', [{ value }])
        console.log('sent ' + partition + ' ' + offset + ' ' + value)
      }
    } finally {
      await producer.close()
    }
  } catch (error) {
    console.log('failed ' + error.code + ' ' + error.message)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
} while (again)
await log.close()
`

/** Containers as the kernel has them, where this process may make such; elsewhere processes that are told their place. */
const HAS_NAMESPACES =
  process.platform === 'linux' &&
  spawnSync('unshare', ['-Urpf', '--mount-proc', '--kill-child', 'true']).status === 0
const KIND = HAS_NAMESPACES ? 'of another pid namespace' : 'that is told to be elsewhere'

/** A process whose first thread has ended, and another one not. */
const TWO_THREADS = `
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(None)
`
const HAS_PYTHON =
  process.platform === 'linux' && spawnSync('python3', ['-c', 'import ctypes']).status === 0

interface Container {
  readonly sent: Map<string, string>
  readonly failed: string[]
  /** Resolves once it has a producer and has sent as many. */
  reached(sent: number): Promise<void>
  signal(signal: NodeJS.Signals): void
  exited: Promise<unknown>
}

const running: ChildProcess[] = []

function runContainer(folder: string, name: string, again = false, beatMs = BEAT_MS): Container {
  const place = HAS_NAMESPACES ? '' : `${hostname()}/${name}/1`
  const command = [process.execPath, '--input-type=module', '-e', PROGRAM, MODULE, folder, name]
  command.push(`${beatMs}`, place, again ? 'again' : '')
  if (HAS_NAMESPACES) command.unshift('unshare', '-Urpf', '--mount-proc', '--kill-child')
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.push(child)
  const sent = new Map<string, string>()
  const failed: string[] = []
  const waits = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const match = /^(sent|failed) (\S+ \S+) (.*)$/.exec(line)
    if (match?.[1] === 'failed') failed.push(line)
    else if (match !== null) {
      const at = match[2] as string
      // An offset that was acknowledged twice is two records, of which one is lost.
      if (sent.has(at)) failed.push(`twice at ${at}`)
      sent.set(at, match[3] as string)
    }
    for (const wake of waits) wake()
  })
  return {
    sent,
    failed,
    reached: (count) =>
      new Promise((resolve) => {
        const wake = (): void => {
          if (sent.size < count) return
          waits.delete(wake)
          resolve()
        }
        waits.add(wake)
        wake()
      }),
    signal: (signal) =>
      process.kill(HAS_NAMESPACES ? childOf(child) : (child.pid as number), signal),
    exited: once(child, 'exit'),
  }
}

/** What `unshare` runs. */
function childOf({ pid }: ChildProcess): number {
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1')
      if (text.slice(text.lastIndexOf(')') + 2).split(' ')[1] === `${pid}`) return Number(name)
    } catch {
      // Ended meanwhile.
    }
  }
  throw new Error(`process ${pid} has no child`)
}

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  }
})

function logHere(folder: string, beatMs = BEAT_MS): EmbeddedLog {
  return new EmbeddedLog(folder, {}, { beatMs })
}

async function newLog(partitions = 1): Promise<string> {
  const folder = temporaryFolder()
  const log = await openLog(folder)
  await log.createTopic('t', { partitions, segmentBytes: 50_000 })
  return folder
}

/** Opens a producer to find the ends; then all that was acknowledged has to be there, and the log without damage. */
async function expectAll(folder: string, ...acknowledged: Map<string, string>[]): Promise<void> {
  const log = logHere(folder)
  const [topic] = await log.topics()
  const producer = await log.producer()
  const partitions = Array.from({ length: topic?.partitions ?? 0 }, (_, i) => i)
  const last = await producer.send(
    't',
    partitions.map((partition) => ({ partition, value: 'z' })),
  )
  const total = last.reduce((sum, { offset }) => sum + offset + 1, 0)
  for (const source of [logSource({ folder, topics: 't' }), logSource({ log, topics: 't' })]) {
    const reader = await source.open(openOptions())
    const seen = new Map<string, string>()
    for (const r of await take(reader, total)) {
      seen.set(`${r.partition} ${r.offset}`, Buffer.from(r.value ?? []).toString())
    }
    await reader.close()
    expect(seen.size).toBe(total)
    for (const each of acknowledged) {
      for (const [at, value] of each) expect(seen.get(at)).toBe(value)
    }
  }
  await log.close()
}

/** A lock as a process of elsewhere has left it. */
function leaveLock(folder: string, text: string): void {
  mkdirSync(`${folder}/.lock`, { recursive: true })
  writeFileSync(`${folder}/.lock/0000000001`, text)
}

async function millisecondsOf(task: () => Promise<unknown>): Promise<number> {
  const from = systemRuntime.monotonicMs()
  await task()
  return systemRuntime.monotonicMs() - from
}

describe(`a producer ${KIND}`, () => {
  it('has the lock while it lives, and is followed with no help once it is killed', async () => {
    const folder = await newLog()
    const other = runContainer(folder, 'a')
    await other.reached(5)
    const log = logHere(folder)
    const error = await rejectionOf('LOG_LOCKED', log.producer())
    expect(error.context['host']).toBe(hostname())
    expect(error.message).toContain(hostname())
    await rejectionOf('LOG_LOCKED', log.deleteTopic('t'))
    const before = other.sent.size
    await other.reached(before + 5)
    other.signal('SIGKILL')
    await other.exited
    expect(await millisecondsOf(() => log.producer())).toBeGreaterThan(WATCH_MS * 0.9)
    await log.close()
    expect(other.failed).toEqual([])
    await expectAll(folder, other.sent)
  })

  it('that stood still while another took over acknowledges nothing more', async () => {
    const folder = await newLog()
    const other = runContainer(folder, 'a')
    await other.reached(20)
    other.signal('SIGSTOP')
    const log = logHere(folder)
    const producer = await log.producer()
    const mine = new Map<string, string>()
    const send = async (prefix: string): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        const value = `${prefix}-${i}-${'y'.repeat(i * 20)}`
        const [sent] = await producer.send('t', [{ value }])
        mine.set(`${sent?.partition} ${sent?.offset}`, value)
      }
    }
    await send('before')
    other.signal('SIGCONT')
    await Promise.all([send('after'), other.exited])
    expect(other.failed.join()).toMatch(/^failed LOG_LOCKED This producer has lost the log/)
    for (const at of other.sent.keys()) expect(mine.has(at)).toBe(false)
    await log.close()
    await expectAll(folder, other.sent, mine)
  })

  it('and others, stopped at random and let go on: no acknowledged record is lost', async () => {
    const seed = Number(process.env['FLOE_STOP_SEED'] ?? Date.now() % 100_000)
    console.log(`replay with: FLOE_STOP_SEED=${seed} npx vitest run test/stream/log/places`)
    let state = seed
    const random = (): number => (state = (state * 48_271 + 11) % 0x7fff_ffff) / 0x7fff_ffff
    const folder = await newLog(3)
    const beatMs = 40
    const all = ['a', 'b', 'c'].map((name) => runContainer(folder, name, true, beatMs))
    await Promise.any(all.map((each) => each.reached(1)))
    // On a machine with much else to do, nine rounds may see one owner only.
    const owners = (): number => all.filter(({ sent }) => sent.size > 0).length
    for (let round = 0; round < 9 || owners() < 2; round++) {
      const busy = all.reduce((a, b) => (b.sent.size - a.sent.size > 0 ? b : a))
      const stopped = random() < 0.5 ? busy : (all[Math.floor(random() * 3)] as Container)
      stopped.signal('SIGSTOP')
      await systemRuntime.sleep(100 + random() * 500)
      stopped.signal('SIGCONT')
      await systemRuntime.sleep(random() * 150)
    }
    for (const each of all) each.signal('SIGKILL')
    await Promise.all(all.map(({ exited }) => exited))
    const count = all.reduce((sum, { sent }) => sum + sent.size, 0)
    const offsets = new Set(all.flatMap(({ sent }) => [...sent.keys()]))
    expect(offsets.size).toBe(count)
    for (const line of all.flatMap(({ failed }) => failed))
      expect(line).toMatch(/^failed LOG_LOCKED/)
    await expectAll(folder, ...all.map(({ sent }) => sent))
  })
})

describe('a lock', () => {
  it('of this machine before it was started anew, or of no kind that is known, is taken over after a while', async () => {
    for (const text of [
      `${process.pid} 5 ${hostname()}/before/pid:[1] token`,
      '\0\0\0',
      '{"pid":1}',
    ]) {
      const folder = await newLog()
      leaveLock(folder, text)
      const log = logHere(folder, 20)
      expect(await millisecondsOf(() => log.producer())).toBeGreaterThan(135)
      await log.close()
    }
  })

  it('of this place is decided at once', async () => {
    const folder = await newLog()
    const log = await openLog(folder)
    await (await log.producer()).close()
    const name = readdirSync(`${folder}/.lock`)[0] as string
    const holder = await openLog(folder)
    await holder.producer()
    const [held] = readdirSync(`${folder}/.lock`) as [string]
    const text = readFileSync(`${folder}/.lock/${held}`, 'utf8')
    expect(await millisecondsOf(() => rejectionOf('LOG_LOCKED', log.producer()))).toBeLessThan(
      DECIDED_MS,
    )
    await holder.close()
    expect(held).not.toBe(name)
    // As it was when its process was killed: another start, and no beat.
    writeFileSync(`${folder}/.lock/${held}`, text.replace(/^\d+ \d*/, '4194999 77'))
    expect(await millisecondsOf(() => log.producer())).toBeLessThan(DECIDED_MS)
    await log.close()
  })

  it.skipIf(!HAS_PYTHON)(
    'is had by a process until the last of its threads has ended',
    async () => {
      const folder = await newLog()
      const log = await openLog(folder)
      await log.producer()
      const [held] = readdirSync(`${folder}/.lock`) as [string]
      const text = readFileSync(`${folder}/.lock/${held}`, 'utf8')
      await log.close()
      const child = spawn('python3', ['-c', TWO_THREADS], { stdio: ['pipe', 'ignore', 'inherit'] })
      running.push(child)
      const exited = once(child, 'exit')
      const stat = (): string[] => {
        const all = readFileSync(`/proc/${child.pid}/stat`, 'latin1')
        return all.slice(all.lastIndexOf(')') + 2).split(' ')
      }
      while (stat()[0] !== 'Z') await systemRuntime.sleep(10)
      writeFileSync(
        `${folder}/.lock/${held}`,
        text.replace(/^\d+ \d*/, `${child.pid} ${stat()[19]}`),
      )
      const other = await openLog(folder)
      await rejectionOf('LOG_LOCKED', other.producer())
      child.stdin?.end()
      await exited
      await other.producer()
      await other.close()
    },
  )

  it('keeps no process from ending', async () => {
    const folder = await newLog()
    const text = `const { openLog } = await import(process.argv[1])
      await (await (await openLog(process.argv[2])).producer()).send('t', [{ value: 'a' }])`
    const args = ['--input-type=module', '-e', text, MODULE, folder]
    expect(spawnSync(process.execPath, args, { timeout: 15_000 }).status).toBe(0)
    await expectAll(folder, new Map([['0 0', 'a']]))
  })

  it('that was removed by hand, or is another one of the number, is lost', async () => {
    const folder = await newLog()
    const log = logHere(folder, 20)
    const producer = await log.producer()
    await producer.send('t', [{ value: 'a' }])
    leaveLock(folder, '4194999 77')
    await systemRuntime.sleep(100)
    await rejectionOf('LOG_LOCKED', producer.send('t', [{ value: 'b' }]))
    await rejectionOf('LOG_LOCKED', producer.send('t', [{ value: 'c' }]))
    await log.close()
    expect(readFileSync(`${folder}/.lock/0000000001`, 'utf8')).toBe('4194999 77')
  })
})

describe('a write that a producer had under way when another took over', () => {
  const values = (producer: LogProducer, name: string, count: number): Promise<unknown> =>
    producer.send(
      't',
      Array.from({ length: count }, (_, i) => ({ value: `${name}-${i}` })),
    )

  for (const [records, readers] of [
    [0, 'look'],
    [3, 'look'],
    [0, 'are busy'],
    [3, 'are busy'],
  ] as const) {
    it(`goes nowhere where it is read: of a topic with ${records} records, while readers ${readers}`, async () => {
      const folder = await newLog()
      const log = logHere(folder, 20)
      const first = await log.producer()
      await values(first, 'first', records)
      await first.close()
      const [topic] = await log.topics()
      if (topic === undefined) throw new Error('no topic')
      // All that the process does after it has found the lock to be its own.
      const stopped = await PartitionWriter.open({
        log: folder,
        topic,
        partition: 0,
        runtime: systemRuntime,
        sync: true,
        files: `${folder}/.lock/files-0000000001`,
        confirm: async () => undefined,
        onRetentionFailure: () => undefined,
      })
      const [name] = readdirSync(`${folder}/.lock`)
      writeFileSync(`${folder}/.lock/${name}`, '7 7 elsewhere/1/1 token')
      mkdirSync(`${folder}/.lock/files-0000000001`)
      const sources = [logSource({ folder, topics: 't' }), logSource({ log, topics: 't' })]
      const early = await Promise.all(sources.map((source) => source.open(openOptions())))
      for (const reader of early) if (records > 0) await take(reader, records)
      const producer = await log.producer()
      // What readers wait for may be looked at by now.
      for (const reader of readers === 'look' ? early : []) {
        const { signal } = new AbortController()
        expect(await reader.read({ waitMs: 100, signal })).toEqual([])
      }
      const late = Array.from({ length: 50 }, (_, i) => ({ value: `late-${i}` }))
      for (const record of late) stopped.stage(record, 0)
      await stopped.write()
      await stopped.sync()
      await values(producer, 'next', 10)
      for (const record of late) stopped.stage(record, 0)
      await stopped.write()
      // Nor does it begin a segment that readers would take for the log's.
      const segments = readdirSync(`${folder}/t/0`)
      const large = { value: 'x'.repeat(topic.segmentBytes / 3) }
      for (let i = 0; i < 5; i++) stopped.stage(large, 0)
      await expect(stopped.write()).rejects.toMatchObject({ code: 'ENOENT' })
      expect(readdirSync(`${folder}/t/0`)).toEqual(segments)
      await values(producer, 'last', 10)
      const expected = [
        ...Array.from({ length: records }, (_, i) => `first-${i}`),
        ...Array.from({ length: 10 }, (_, i) => `next-${i}`),
        ...Array.from({ length: 10 }, (_, i) => `last-${i}`),
      ]
      const later = await Promise.all(sources.map((source) => source.open(openOptions())))
      for (const [from, some] of [
        [records, early],
        [0, later],
      ] as const) {
        for (const reader of some) {
          const seen = await take(reader, expected.length - from)
          expect(seen.map((r) => Buffer.from(r.value ?? []).toString())).toEqual(
            expected.slice(from),
          )
          expect((await reader.endOffsets()).get('t', 0)).toBe(expected.length)
          await reader.close()
        }
      }
      await stopped.close()
      await log.close()
      const again = await log.topics()
      expect(again).toEqual([topic])
      await expectAll(folder)
    })
  }

  it('is kept out also by an owner after one that ended before it had done so', async () => {
    const folder = await newLog()
    const log = logHere(folder, 20)
    const first = await log.producer()
    await values(first, 'first', 3)
    await first.close()
    const [name] = readdirSync(`${folder}/.lock`)
    for (const text of ['4194999 77 elsewhere/1/1 token', 'fence']) {
      const [held = name] = readdirSync(`${folder}/.lock`)
      const before = readdirSync(`${folder}/t/0`).length
      writeFileSync(`${folder}/.lock/${held}`, text)
      const producer = await log.producer()
      expect(readdirSync(`${folder}/t/0`)).toHaveLength(before + 1)
      await values(producer, 'more', 1)
      await producer.close()
      expect(readFileSync(`${folder}/.lock/${readdirSync(`${folder}/.lock`)[0]}`, 'utf8')).toBe('')
    }
  })

  it('is kept out of new segments, as are its own of those of a later owner', async () => {
    const folder = await newLog()
    const log = logHere(folder, 20)
    const lock = `${folder}/.lock`
    mkdirSync(lock, { recursive: true })
    for (const name of ['files-0000000001', 'files-0000000009']) mkdirSync(`${lock}/${name}`)
    writeFileSync(`${lock}/files-0000000001/left`, 'behind by a crash')
    const producer = await log.producer()
    const own = readdirSync(lock).filter((name) => name.startsWith('files-'))
    expect(own).toEqual(['files-0000000001', 'files-0000000009'])
    expect(readdirSync(`${lock}/files-0000000001`)).toEqual([])
    await producer.close()
    await log.close()
  })

  it('is no deletion of a topic either', async () => {
    const folder = await newLog()
    const log = await openLog(folder)
    const producer = await log.producer()
    await values(producer, 'first', 3)
    // As another process does it that takes the log over.
    const [, files] = readdirSync(`${folder}/.lock`)
    renameSync(`${folder}/.lock/${files}`, `${folder}/.lock/gone`)
    await rejectionOf('STORE_UNAVAILABLE', log.deleteTopic('t'))
    expect(await log.topics()).toHaveLength(1)
    renameSync(`${folder}/.lock/gone`, `${folder}/.lock/${files}`)
    await log.deleteTopic('t')
    expect(readdirSync(folder)).toEqual(['.lock'])
    expect(readdirSync(`${folder}/.lock/${files}`)).toEqual([])
    await log.close()
  })

  it('is kept out though a topic is damaged: the others can be appended to', async () => {
    const folder = await newLog()
    const log = logHere(folder, 20)
    await log.createTopic('bad', { partitions: 1 })
    writeFileSync(`${folder}/bad/topic.json`, '{')
    const first = await log.producer()
    await values(first, 'first', 3)
    await first.close()
    const [name] = readdirSync(`${folder}/.lock`)
    writeFileSync(`${folder}/.lock/${name}`, 'fence')
    const producer = await log.producer()
    await values(producer, 'more', 1)
    await producer.close()
    await log.close()
  })
})
