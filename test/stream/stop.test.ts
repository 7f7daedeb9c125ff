/** What a stop does to the batch under way: committed, after several tries if need be, or dropped after stopTimeoutMs. */
import { describe, expect, it } from 'vitest'
import { FloeError } from '../../src/core/errors.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import type { Lake } from '../../src/index.ts'
import {
  type SourceOpenOptions,
  type SourceReader,
  type StreamBatch,
  type StreamEvent,
  type StreamOptions,
  type StreamRun,
  type StreamTransaction,
  stream,
} from '../../src/stream/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { expectExact, fill, job, options, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const away = () => new FloeError('STORE_UNAVAILABLE', 'the store is away')
const conflict = () =>
  new FloeError('COMMIT_CONFLICT', 'another program was first', { retryable: true })
const unanswered = () => new FloeError('COMMIT_STATE_UNKNOWN', 'the answer was lost')
const never = () => new Promise<never>(() => undefined)

async function setup() {
  const lake = await memoryLake()
  await tables(lake)
  const source = new MemorySource(3)
  fill(source, 0, 30)
  return { lake, source }
}

/** A stream in an interval, with what it has told. `stop` asks for a stop of it. */
function start(lake: Lake, source: MemorySource, more: Partial<StreamOptions>) {
  const events: StreamEvent[] = []
  const run: StreamRun = stream(
    options(lake, source, {
      trigger: { intervalMs: 100 },
      ...more,
      onEvent: (event) => {
        events.push(event)
        more.onEvent?.(event)
      },
    }),
  )
  run.done.catch(() => undefined)
  const told = (type: StreamEvent['type']) => events.filter((event) => event.type === type)
  return { run, told }
}

/** The job, which fails so often first; each time it is asked something is done. */
function failing(times: number, error: () => Error, each: (tries: number) => void) {
  const own = job()
  let tries = 0
  return async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
    each(++tries)
    if (tries <= times) throw error()
    await own(batch, tx)
  }
}

interface Answers {
  /** In place of the answer of a commit that was made. */
  readonly commit?: () => Promise<never>
  /** Before a table is loaded. */
  readonly table?: () => Promise<void>
}

/** The lake, over a connection that loses answers. */
function losing(lake: Lake, { commit, table }: Answers): Lake {
  return new Proxy(lake, {
    get(target, name) {
      if (name === 'transaction' && commit !== undefined) {
        return (how: Parameters<Lake['transaction']>[0]) => {
          const transaction = target.transaction(how)
          const real = transaction.commit.bind(transaction)
          transaction.commit = () => real().then(commit)
          return transaction
        }
      }
      if (name === 'table' && table !== undefined) {
        return (which: string) => table().then(() => target.table(which))
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('a stop while a batch fails for a reason that passes', () => {
  it.each([
    ['another writer', conflict],
    ['the store', away],
  ])('goes on trying when it comes during a try: %s', async (_, error) => {
    const { lake, source } = await setup()
    const foreachBatch = failing(2, error, () => void run.stop())
    const { run, told } = start(lake, source, { foreachBatch })
    expect(await run.done).toMatchObject({ batches: 1, rows: 30 })
    expect(told('retrying')).toHaveLength(2)
    await expectExact(lake, source)
  })

  it('goes on trying when it comes between tries', async () => {
    const { lake, source } = await setup()
    const { run } = start(lake, source, {
      foreachBatch: failing(2, away, () => undefined),
      onEvent: ({ type }) => {
        if (type === 'retrying') queueMicrotask(() => void run.stop())
      },
    })
    expect(await run.done).toMatchObject({ batches: 1, rows: 30 })
    await expectExact(lake, source)
  })

  it('drops the batch when it has taken too long, and resolves', async () => {
    const { lake, source } = await setup()
    let tries = 0
    const { run } = start(lake, source, {
      stopTimeoutMs: 1000,
      foreachBatch: failing(Number.POSITIVE_INFINITY, away, (n) => {
        tries = n
        void run.stop()
      }),
    })
    const result = await run.done
    expect(result).toMatchObject({ batches: 0, rows: 0 })
    expect(result.position.toText()).toBe('')
    expect(tries).toBeGreaterThan(1)
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('rejects for what does not pass, and when retryTimeoutMs is over', async () => {
    const { lake, source } = await setup()
    const broken = start(lake, source, {
      foreachBatch: failing(
        1,
        () => new Error('broken'),
        () => void broken.run.stop(),
      ),
    })
    await rejectionOf('BATCH_FUNCTION_FAILED', broken.run.done)
    const impatient = start(lake, source, {
      retryTimeoutMs: 50,
      foreachBatch: failing(1, away, () => void impatient.run.stop()),
    })
    await rejectionOf('STORE_UNAVAILABLE', impatient.run.done)
  })
})

describe('a commit without an answer', () => {
  it('is looked up at once, and no batch is repeated that is there', async () => {
    const { lake, source } = await setup()
    let isLost = false
    const answer = (): Promise<never> => {
      isLost = true
      return Promise.reject(unanswered())
    }
    const lossy = losing(lake, { commit: answer })
    const { told, run } = start(lossy, source, { trigger: { availableNow: true } })
    const result = await run.done
    expect(isLost).toBe(true)
    expect(result).toMatchObject({ batches: 1, rows: 30 })
    expect(told('retrying')).toEqual([])
    expect(told('progress')).toHaveLength(1)
    await expectExact(lake, source)
  })

  it('is that of the batch alone: one that its function has made is its own matter', async () => {
    const { lake, source } = await setup()
    const { run } = start(lake, source, { foreachBatch: failing(1, unanswered, () => undefined) })
    await rejectionOf('COMMIT_STATE_UNKNOWN', run.done)
  })

  it('is not repeated because a listener fails once it is made', async () => {
    const { lake, source } = await setup()
    const own = job()
    const foreachBatch = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      tx.onCommit(() => {
        throw away()
      })
    }
    const { run, told } = start(lake, source, { foreachBatch })
    await rejectionOf('STORE_UNAVAILABLE', run.done)
    expect(told('retrying')).toEqual([])
    await expectExact(lake, source)
  })

  it('counts where it was made, also after a stop', async () => {
    const { lake, source } = await setup()
    const commit = (): Promise<never> => {
      void run.stop()
      return Promise.reject(unanswered())
    }
    const { run } = start(losing(lake, { commit }), source, {})
    const result = await run.done
    expect(result).toMatchObject({ batches: 1, rows: 30 })
    expect(result.position.toText()).toBe('events:0:10,events:1:10,events:2:10')
    await expectExact(lake, source)
  })

  it('is looked up until the stop is overdue, and once more after that', async () => {
    const { lake, source } = await setup()
    let isAway = false
    let looks = 0
    const commit = (): Promise<never> => {
      isAway = true
      void run.stop()
      return Promise.reject(unanswered())
    }
    // It is back when the stop is overdue.
    const table = async (): Promise<void> => {
      if (!isAway) return
      looks++
      if (systemRuntime.monotonicMs() < backMs) throw away()
    }
    const stopTimeoutMs = 900
    let backMs = Number.POSITIVE_INFINITY
    const { run, told } = start(losing(lake, { commit, table }), source, {
      stopTimeoutMs,
      onEvent: ({ type }) => {
        if (type === 'retrying' && backMs === Number.POSITIVE_INFINITY) {
          backMs = systemRuntime.monotonicMs() + stopTimeoutMs - 100
        }
      },
    })
    expect(await run.done).toMatchObject({ batches: 1, rows: 30 })
    expect(looks).toBeGreaterThan(2)
    expect(told('warning')).toEqual([])
    await expectExact(lake, source)
  })

  it.each([
    ['fails', () => Promise.reject(away())],
    ['has no answer', never],
  ])('is not known where looking it up %s, and a warning says so', async (_, look) => {
    const { lake, source } = await setup()
    let isAway = false
    const commit = (): Promise<never> => {
      isAway = true
      void run.stop()
      return Promise.reject(unanswered())
    }
    const table = (): Promise<void> => (isAway ? look() : Promise.resolve())
    const lossy = losing(lake, { commit, table })
    const { run, told } = start(lossy, source, { stopTimeoutMs: 300 })
    expect(await run.done).toMatchObject({ batches: 0, rows: 0 })
    expect(told('warning')).toMatchObject([{ error: { code: 'COMMIT_STATE_UNKNOWN' } }])
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('does not keep a stop from ending that never comes', async () => {
    const { lake, source } = await setup()
    const commit = (): Promise<never> => {
      void run.stop()
      return never()
    }
    const { run, told } = start(losing(lake, { commit }), source, { stopTimeoutMs: 100 })
    expect(await run.done).toMatchObject({ batches: 0 })
    expect(told('warning')).toMatchObject([{ error: { code: 'COMMIT_STATE_UNKNOWN' } }])
    await expectExact(lake, source)
  })
})

describe('a stop while no batch is under way', () => {
  it('ends a stream whose tables cannot be loaded', async () => {
    const { lake, source } = await setup()
    const { run } = start(losing(lake, { table: never }), source, { stopTimeoutMs: 100 })
    const result = await run.stop()
    expect(result).toMatchObject({ batches: 0 })
    expect(result.position.size).toBe(0)
  })

  it.each(['open', 'read', 'close'] as const)(
    'does not wait for ever for a source that heeds no signal: %s',
    async (what) => {
      const { lake, source } = await setup()
      let asked = (): void => undefined
      const isAsked = new Promise<void>((resolve) => (asked = resolve))
      const hangs = (): Promise<never> => {
        asked()
        return never()
      }
      const open = async (how: SourceOpenOptions): Promise<SourceReader> => ({
        ...(await source.open(how)),
        ...(what === 'open' ? {} : { [what]: hangs }),
      })
      const { run } = start(lake, source, {
        source: { name: 'deaf', open: what === 'open' ? hangs : open },
        stopTimeoutMs: 100,
      })
      if (what !== 'close') await isAsked
      expect(await run.stop()).toMatchObject({ batches: 0 })
    },
  )

  it('closes a source that is opened after the stop was overdue', async () => {
    const { lake, source } = await setup()
    let letOpen = (): void => undefined
    const mayOpen = new Promise<void>((resolve) => (letOpen = resolve))
    let [asked, closed] = [false, false]
    const open = async (how: SourceOpenOptions): Promise<SourceReader> => {
      asked = true
      await mayOpen
      const close = (): Promise<void> => {
        closed = true
        return Promise.resolve()
      }
      return { ...(await source.open(how)), close }
    }
    const { run } = start(lake, source, { source: { name: 'slow', open }, stopTimeoutMs: 50 })
    while (!asked) await systemRuntime.sleep(5)
    await run.stop()
    letOpen()
    while (!closed) await systemRuntime.sleep(5)
  })

  it('does not wait for a source that does not say how far it is', async () => {
    const { lake, source } = await setup()
    let asked = (): void => undefined
    const isAsked = new Promise<void>((resolve) => (asked = resolve))
    const open = async (how: SourceOpenOptions): Promise<SourceReader> => {
      const endOffsets = (): Promise<never> => {
        asked()
        return never()
      }
      return { ...(await source.open(how)), endOffsets }
    }
    const { run } = start(lake, source, {
      source: { name: 'slow', open },
      trigger: { availableNow: true },
      stopTimeoutMs: 2 ** 31 - 1,
    })
    await isAsked
    expect(await run.stop()).toMatchObject({ batches: 0 })
  })
})
