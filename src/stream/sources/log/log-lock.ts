/**
 * One producer for a log. Locks are numbered files that appear whole; the highest number counts. It is never removed
 * but by the next owner, so that of two that take over from a process that is gone only one can.
 *
 * A process id means something in its own place alone: on one machine since it was started, in one container. An owner
 * in the same place is looked up. One from elsewhere is watched: owners touch their lock again and again, and one that
 * has not for a long time is taken for gone. It may only have been stopped, so
 * - an owner that has not touched its lock for half that time looks whether it still is one before it acknowledges more;
 * - who takes over that way sees to it that nothing the one before has under way goes where it writes ({@link
 *   LogLock.mustFence}).
 */
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  unlink,
  utimes,
} from 'node:fs/promises'
import { hostname } from 'node:os'
import { FloeError } from '../../../core/errors.ts'
import { type Runtime, repeatedly, systemRuntime, uuidV4 } from '../../../core/runtime.ts'
import { errorCode } from '../../../io/file-system.ts'
import { translate } from './log-errors.ts'

/** A process id may be used again; with the start time it is one process of its place. */
interface Owner {
  readonly pid: number
  /** In ticks since the machine was started; empty where the system does not tell. */
  readonly started: string
}

/** @internal For tests. */
export interface LockOptions {
  readonly place?: string
  readonly beatMs?: number
}

/** How often an owner touches its lock. */
const BEAT_MS = 2000
/** A lock of elsewhere is looked at four times for each beat, and so often in vain before it is taken over. */
const LOOKS = 30
const LOOKS_EACH_BEAT = 4
/** Beats that an owner may miss before it has to look whether it is one: half of those that others wait for. */
const TRUSTED_BEATS = LOOKS / LOOKS_EACH_BEAT / 2

/** Process, its start, its place, and a random text, so that no two locks are alike; or nothing of these: no owner. */
const LOCK = /^(?:(\d+) (\d*)(?: (\S+) \S+)?)?( ?fence)?$/

export class LogLock {
  readonly #log: string
  readonly #folder: string
  readonly #number: number
  readonly #temporary: string
  readonly #beatMs: number
  readonly #stop: () => void
  /** What its file says. */
  readonly #owner: string
  #mustFence: boolean
  /** Begin of the last beat that found the lock to be this one's. */
  #sure: Moment
  #lost = false
  #beating = false

  private constructor(
    log: string,
    lock: {
      folder: string
      number: number
      temporary: string
      owner: string
      fence: boolean
      sure: Moment
    },
    beatMs: number,
  ) {
    this.#log = log
    this.#folder = lock.folder
    this.#number = lock.number
    this.#temporary = lock.temporary
    this.#owner = lock.owner
    this.#mustFence = lock.fence
    this.#sure = lock.sure
    this.#beatMs = beatMs
    // By the clock of the system, whatever the log's is: others wait by theirs.
    this.#stop = repeatedly(beatMs, () => void this.#beatByTimer())
  }

  /**
   * Takes as long as {@link LOOKS} last where an owner of elsewhere is gone.
   * @throws LOG_LOCKED naming the process that has it; STORE_UNAVAILABLE …
   */
  static async take(log: string, runtime: Runtime, options: LockOptions = {}): Promise<LogLock> {
    const { beatMs = BEAT_MS, place = await here() } = options
    const folder = `${log}/.lock`
    const temporary = `${folder}/new-${uuidV4(runtime)}`
    const owner = `${process.pid} ${await startOf(process.pid)} ${place} ${uuidV4(runtime)}`
    try {
      await mkdir(folder, { recursive: true })
      for (;;) {
        const highest = (await numbers(folder)).at(-1) ?? 0
        const before =
          highest > 0 ? await freeLock(log, lockPath(folder, highest), place, beatMs) : FREE
        // Another one was taken meanwhile.
        if (before === undefined) continue
        const number = highest + 1
        const { fence } = before
        await remove(temporary)
        await writeText(temporary, fence ? `${owner} fence` : owner)
        const sure = moment()
        try {
          await link(temporary, lockPath(folder, number))
        } catch (error) {
          if (errorCode(error) === 'EEXIST') continue
          throw error
        }
        // Whoever was slower than an owner that came and went holds a number that no longer counts.
        const all = await numbers(folder)
        // An owner touches its lock first and then looks for later ones: if it missed this one, that shows here.
        const isGone =
          before.seen === undefined || before.seen === (await look(lockPath(folder, highest)))?.seen
        if (all.at(-1) !== number || !isGone) {
          await remove(lockPath(folder, number))
          continue
        }
        await takeFiles(folder, number, temporary)
        for (const old of all.slice(0, -1)) await remove(lockPath(folder, old))
        return new LogLock(log, { folder, number, temporary, owner, fence, sure }, beatMs)
      }
    } catch (error) {
      throw translate(folder, error, 'STORE_UNAVAILABLE')
    } finally {
      await remove(temporary)
    }
  }

  /**
   * A folder of this owner alone, on the file system of the log. It is gone once another one has the log, before that does
   * anything: a file that is moved from here into the log is there before, or never.
   */
  get files(): string {
    return filesPath(this.#folder, this.#number)
  }

  /**
   * Whether an owner before may come back and end a write that it has under way: the files that it may have open are to
   * be appended to no more. Known to later owners, too, until {@link LogLock.fenced} was called.
   */
  get mustFence(): boolean {
    return this.#mustFence
  }

  /** @throws LOG_LOCKED, STORE_UNAVAILABLE */
  async fenced(): Promise<void> {
    await this.#beat()
    try {
      await this.#replace(this.#owner)
    } catch (error) {
      throw translate(this.#path, error, 'STORE_UNAVAILABLE')
    }
    this.#mustFence = false
  }

  /**
   * Resolves if no other process has taken the log over. All that was done before is then seen by whoever does.
   * @throws LOG_LOCKED, STORE_UNAVAILABLE
   */
  async confirm(): Promise<void> {
    if (this.#lost || !this.#isFresh()) await this.#beat()
  }

  /** Leaves the number, without an owner. */
  async release(): Promise<void> {
    this.#stop()
    try {
      if (await this.#isMine()) {
        await rm(this.files, { recursive: true, force: true })
        await this.#replace(this.#mustFence ? 'fence' : '')
      }
    } catch (error) {
      // The folder of the log may be gone, and its lock with it.
      if (errorCode(error) !== 'ENOENT') throw translate(this.#path, error, 'STORE_UNAVAILABLE')
    }
  }

  get #path(): string {
    return lockPath(this.#folder, this.#number)
  }

  /** Of the two clocks one may stand still while the machine is suspended, and the other may be set. */
  #isFresh(): boolean {
    const now = moment()
    const most = TRUSTED_BEATS * this.#beatMs
    const { monotonicMs, wallMs } = this.#sure
    return now.monotonicMs - monotonicMs < most && Math.abs(now.wallMs - wallMs) < most
  }

  async #beatByTimer(): Promise<void> {
    if (this.#beating || this.#lost) return
    this.#beating = true
    // What it finds is thrown where something depends on it.
    await this.#beat().catch(() => undefined)
    this.#beating = false
  }

  async #beat(): Promise<void> {
    const now = moment()
    try {
      if (!this.#lost) {
        await utimes(this.#path, now.wallMs / 1000, now.wallMs / 1000)
        if (await this.#isMine()) {
          this.#sure = now
          return
        }
      }
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw translate(this.#path, error, 'STORE_UNAVAILABLE')
    }
    this.#lost = true
    throw new FloeError(
      'LOG_LOCKED',
      `This producer has lost the log ${this.#log}: its process stood still for so long that another one took over, or ${this.#path} was removed. Nothing is acknowledged any more; open a producer anew once no other process has one`,
      { context: { log: this.#log }, retryable: false },
    )
  }

  async #isMine(): Promise<boolean> {
    if ((await numbers(this.#folder)).at(-1) !== this.#number) return false
    // The number may have been given anew after someone removed the file.
    return (await readFile(this.#path, 'utf8')).replace(/ fence$/, '') === this.#owner
  }

  async #replace(text: string): Promise<void> {
    await writeText(this.#temporary, text)
    await rename(this.#temporary, this.#path)
  }
}

interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

function moment(): Moment {
  return { monotonicMs: systemRuntime.monotonicMs(), wallMs: systemRuntime.now() }
}

interface FreeLock {
  /** See {@link LogLock.mustFence}. */
  readonly fence: boolean
  /** Of an owner that was watched: what was seen of the lock to the end. */
  readonly seen: string | undefined
}

const FREE: FreeLock = { fence: false, seen: undefined }

/** Undefined if the lock is not there any more. @throws LOG_LOCKED if it has an owner. */
async function freeLock(
  log: string,
  path: string,
  place: string,
  beatMs: number,
): Promise<FreeLock | undefined> {
  const found = await look(path)
  if (found === undefined) return undefined
  const [all, pid, started = '', from, fence] = LOCK.exec(found.text) ?? []
  if (all !== undefined) {
    const free = { fence: fence !== undefined, seen: undefined }
    if (pid === undefined) return free
    // Locks of earlier versions do not tell where they are from: they are taken for those of this place.
    if (from === undefined || from === place) {
      if (!(await isAlive({ pid: Number(pid), started }))) return free
      throw locked(log, `process ${pid} has one`, { pid: Number(pid) })
    }
  }
  for (let looks = 0; looks < LOOKS; looks++) {
    // Looks are counted, not time: while this process stands still, the owner may do so with it.
    await systemRuntime.sleep(beatMs / LOOKS_EACH_BEAT)
    const now = await look(path)
    if (now === undefined) return undefined
    if (now.seen === found.seen) continue
    // Given back, or another one's.
    if (now.text !== found.text) return freeLock(log, path, place, beatMs)
    if (from === undefined) throw locked(log, 'a process of another version of floe has one', {})
    const host = decodeURIComponent(from.slice(0, from.indexOf('/')))
    const what = `process ${pid} on the host ${host}, another machine or container, has one`
    throw locked(log, what, { pid: Number(pid), host })
  }
  return { fence: true, seen: found.seen }
}

function locked(log: string, what: string, context: { pid?: number; host?: string }): FloeError {
  return new FloeError(
    'LOG_LOCKED',
    `Cannot open a producer of the log ${log}: ${what}. Close it first; readers need none`,
    { context: { log, ...context }, retryable: false },
  )
}

/** Where process ids mean the same: `host/boot/namespace`, as far as the system tells, without spaces. */
async function here(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return `${encodeURIComponent(hostname())}/${boot.trim()}/${namespace}`
}

/** What is in a lock, and that with when it was touched. */
async function look(path: string): Promise<{ text: string; seen: string } | undefined> {
  try {
    // Opened anew each time: file systems of a network ask their server then.
    const file = await open(path, 'r')
    try {
      const text = await file.readFile('utf8')
      const { mtimeNs, ctimeNs } = await file.stat({ bigint: true })
      return { text, seen: `${mtimeNs} ${ctimeNs} ${text}` }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false
  }
  const now = await startOf(pid)
  if (now === 'ended') return false
  return started === '' || now === '' || started === now
}

/** Field 22 of `/proc/<pid>/stat`; field 3 is the state, 20 the number of threads. The name before them may have anything but a parenthesis at its end. */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    // Killed, and its parent has not asked yet. That is so of the first thread before the others have ended: one may have a
    // write under way, which lasts until the disk has it.
    if (fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1)) return 'ended'
    return fields[19] ?? ''
  } catch {
    return ''
  }
}

async function numbers(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{10}$/.test(name))
  return names.map(Number).sort((a, b) => a - b)
}

/** Makes the folder of an owner, and has those of all before go, each in one step. */
async function takeFiles(folder: string, number: number, temporary: string): Promise<void> {
  const own = filesPath(folder, number)
  for (const name of await readdir(folder)) {
    const of = /^files-(\d{10})$/.exec(name)?.[1]
    // One that stood still after it was an owner must not take those of a later one.
    if (of === undefined || Number(of) > number) continue
    const gone = `${temporary}-${name}`
    try {
      await rename(`${folder}/${name}`, gone)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
    await rm(gone, { recursive: true, force: true })
  }
  await mkdir(own)
}

function filesPath(folder: string, number: number): string {
  return `${folder}/files-${String(number).padStart(10, '0')}`
}

function lockPath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(10, '0')}`
}

async function writeText(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(text)
  } finally {
    await file.close()
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => undefined)
}
