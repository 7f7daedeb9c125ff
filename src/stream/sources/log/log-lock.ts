/**
 * One producer for a log. Locks are numbered files that appear whole; the highest number counts. It is never removed
 * but by the next owner, so that of two that take over from a process that is gone only one can.
 */
import { link, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { FloeError } from '../../../core/errors.ts'
import { type Runtime, uuidV4 } from '../../../core/runtime.ts'
import { errorCode } from '../../../io/file-system.ts'
import { translate } from './log-errors.ts'

/** A process id may be used again; with the start time it is one process. Both processes must be on one machine. */
interface Owner {
  readonly pid: number
  /** In ticks since the machine was started; empty where the system does not tell. */
  readonly started: string
}

export class LogLock {
  readonly #folder: string
  readonly #number: number
  readonly #temporary: string

  private constructor(folder: string, number: number, temporary: string) {
    this.#folder = folder
    this.#number = number
    this.#temporary = temporary
  }

  /** @throws LOG_LOCKED naming the process that has it; STORE_UNAVAILABLE … */
  static async take(log: string, runtime: Runtime): Promise<LogLock> {
    const folder = `${log}/.lock`
    const temporary = `${folder}/new-${uuidV4(runtime)}`
    try {
      await mkdir(folder, { recursive: true })
      await writeText(temporary, `${process.pid} ${await startOf(process.pid)}`)
      for (;;) {
        const highest = (await numbers(folder)).at(-1) ?? 0
        if (highest > 0) await refuseIfHeld(log, lockPath(folder, highest))
        const number = highest + 1
        try {
          await link(temporary, lockPath(folder, number))
        } catch (error) {
          if (errorCode(error) === 'EEXIST') continue
          throw error
        }
        // Whoever was slower than an owner that came and went holds a number that no longer counts.
        const all = await numbers(folder)
        if (all.at(-1) !== number) {
          await remove(lockPath(folder, number))
          continue
        }
        for (const old of all.slice(0, -1)) await remove(lockPath(folder, old))
        return new LogLock(folder, number, temporary)
      }
    } catch (error) {
      throw translate(folder, error, 'STORE_UNAVAILABLE')
    } finally {
      await remove(temporary)
    }
  }

  /** Leaves the number, without an owner. */
  async release(): Promise<void> {
    const path = lockPath(this.#folder, this.#number)
    try {
      await writeText(this.#temporary, '')
      await rename(this.#temporary, path)
    } catch (error) {
      // The folder of the log may be gone, and its lock with it.
      if (errorCode(error) !== 'ENOENT') throw translate(path, error, 'STORE_UNAVAILABLE')
    }
  }
}

async function refuseIfHeld(log: string, path: string): Promise<void> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    // Another one was taken meanwhile: the next round sees it.
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  const match = /^(\d+) (\d*)$/.exec(text)
  if (match === null) return
  const owner: Owner = { pid: Number(match[1]), started: match[2] as string }
  if (!(await isAlive(owner))) return
  throw new FloeError(
    'LOG_LOCKED',
    `Cannot open a producer of the log ${log}: process ${owner.pid} has one. Close it first; readers need none`,
    { context: { log, pid: owner.pid }, retryable: false },
  )
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

/** Field 22 of `/proc/<pid>/stat`; the name before it may have anything but a parenthesis at its end. */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    // Killed, and its parent has not asked yet.
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended'
    return fields[19] ?? ''
  } catch {
    return ''
  }
}

async function numbers(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{10}$/.test(name))
  return names.map(Number).sort((a, b) => a - b)
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
