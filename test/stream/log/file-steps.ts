/**
 * Actors that take turns at operations on files, one at a time, in an order that random numbers choose: processes that may
 * stand still before any of their operations.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { promises } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const OF_MODULE = ['link', 'open', 'readdir', 'readFile', 'rename', 'unlink', 'writeFile'] as const
const OF_HANDLES = ['read', 'stat', 'truncate', 'write'] as const
/** Take their turn, and nothing else: it is no power loss that is tried here. */
const SYNCS = ['datasync', 'sync'] as const
/** How often the one that had the last turn has the next one, too. */
const STAYS = 0.8

/** No more is written by one operation: records come in pieces. */
const MOST_WRITTEN = 40

type Operation = (...args: unknown[]) => Promise<unknown>

export class FileSteps {
  readonly #actor = new AsyncLocalStorage<string>()
  readonly #waiting = new Map<string, () => void>()
  readonly #ended: Promise<void>[] = []
  #busy = 0
  #settled: (() => void) | undefined
  #restore: (() => void) | undefined

  /** Has operations wait for their turn from now on, of actors alone. */
  async install(probe: string): Promise<void> {
    const handle = await open(probe, 'w')
    const handles = Object.getPrototypeOf(handle) as Record<string, Operation>
    await handle.close()
    const module = promises as unknown as Record<string, Operation>
    const before = [
      ...OF_MODULE.map((name) => ({ of: module, name, call: module[name] as Operation })),
      ...[...OF_HANDLES, ...SYNCS].map((name) => ({
        of: handles,
        name,
        call: handles[name] as Operation,
      })),
    ]
    const turn = (): Promise<void> => this.#turn()
    for (const { of, name, call } of before) {
      of[name] = async function (this: FileHandle, ...args: unknown[]): Promise<unknown> {
        await turn()
        if (name === 'write' && args[2] !== undefined)
          args[2] = Math.min(args[2] as number, MOST_WRITTEN)
        return (SYNCS as readonly string[]).includes(name) ? undefined : call.apply(this, args)
      }
    }
    syncBuiltinESMExports()
    this.#restore = () => {
      for (const { of, name, call } of before) of[name] = call
      syncBuiltinESMExports()
    }
  }

  restore(): void {
    this.#restore?.()
  }

  start(actor: string, task: () => Promise<void>): void {
    this.#busy++
    const run = async (): Promise<void> => {
      try {
        await this.#turn()
        await task()
      } finally {
        this.#idle()
      }
    }
    const ended = this.#actor.run(actor, run)
    ended.catch(() => undefined)
    this.#ended.push(ended)
  }

  /** Until all actors have ended. */
  async play(random: () => number): Promise<void> {
    let last: string | undefined
    for (;;) {
      if (this.#busy > 0) await new Promise<void>((resolve) => (this.#settled = resolve))
      const actors = [...this.#waiting.keys()]
      if (actors.length === 0) break
      if (last === undefined || !actors.includes(last) || random() > STAYS) {
        last = actors[Math.floor(random() * actors.length)] as string
      }
      const go = this.#waiting.get(last) as () => void
      this.#waiting.delete(last)
      this.#busy++
      go()
    }
    await Promise.all(this.#ended.splice(0))
  }

  async #turn(): Promise<void> {
    const actor = this.#actor.getStore()
    if (actor === undefined) return
    if (this.#waiting.has(actor)) throw new Error(`${actor} does two things at once`)
    await new Promise<void>((resolve) => {
      this.#waiting.set(actor, resolve)
      this.#idle()
    })
  }

  #idle(): void {
    if (--this.#busy === 0) this.#settled?.()
  }
}
