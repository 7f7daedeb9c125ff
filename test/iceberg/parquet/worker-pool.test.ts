/** The pool's promises about its threads: retried, replaced, aborted, ended, and never in the way of an exit. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { type Runtime, systemRuntime } from '../../../src/core/runtime.ts'
import { withMemoryMaximum } from '../../../src/iceberg/parquet/wasm-module.ts'
import {
  openParquetPool,
  type ParquetPool,
  type ParquetPoolOptions,
} from '../../../src/iceberg/parquet/worker-pool.ts'
import type { DecodeRequest } from '../../../src/iceberg/parquet/worker-protocol.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { batchOf, openFile, openPool, readFile, store, writeFile } from './support.ts'

const pools: ParquetPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

/**
 * A pool of workers that do as the request's file says: byte 0 counts the tries, byte 1 says how many of them fail,
 * byte 2 how. The answer's `batches` hold the id of the thread.
 */
function scriptedPool(
  options: Partial<ParquetPoolOptions> & { limits?: Limits } = {},
): ParquetPool {
  const script = `
    import { parentPort, threadId } from 'node:worker_threads'
    parentPort.once('message', () => {
      parentPort.on('message', ({ file }) => {
        const fails = Atomics.add(file, 0, 1) < file[1]
        const result = { batches: [threadId] }
        if (fails && file[2] === 0) process.exit(1)
        if (fails && file[2] === 1) {
          const failure = { kind: 'trap', message: 'unreachable', mayLackMemory: false }
          parentPort.postMessage({ ok: false, failure, memoryBytes: 0 })
          return
        }
        if (fails && file[2] === 2) throw new Error('an uncaught error')
        if (fails && file[2] === 3) return
        if (fails && file[2] === 4) {
          setTimeout(() => parentPort.postMessage({ ok: true, result, memoryBytes: 0 }), 100)
          return
        }
        parentPort.postMessage({ ok: true, result, memoryBytes: file[3] * 2 ** 20 })
      })
    })`
  const pool = openParquetPool({
    limits: DEFAULT_LIMITS,
    runtime: systemRuntime,
    workerUrl: new URL(`data:text/javascript,${encodeURIComponent(script)}`),
    ...options,
  })
  pools.push(pool)
  return pool
}

function request(fails: number, how = 0, memoryMib = 0): DecodeRequest {
  const file = new Uint8Array(new SharedArrayBuffer(4))
  file.set([0, fails, how, memoryMib])
  return {
    kind: 'decode',
    file,
    chunks: [],
    columns: [],
    maxBytes: 1,
    batchRows: 1,
    offsetRows: 0,
    limitRows: 1,
    path: 'memory://scripted',
  }
}

async function threadOf(pool: ParquetPool, r: DecodeRequest): Promise<number> {
  return (await pool.run(r)).batches[0] as unknown as number
}

describe('worker pool', () => {
  it.each([
    ['dies', 0],
    ['traps', 1],
    ['throws', 2],
  ])('tries a request once more on another thread when its worker %s', async (_, how) => {
    const pool = scriptedPool({ workers: 1 })
    const first = await threadOf(pool, request(0))
    const r = request(1, how)
    expect(await threadOf(pool, r)).not.toBe(first)
    expect(r.file[0]).toBe(2)
  })

  it('gives up after the second death, retryably, and serves the next request', async () => {
    const pool = scriptedPool({ workers: 1 })
    const r = request(9)
    await expect(pool.run(r)).rejects.toMatchObject({ code: 'WORKER_FAILED', retryable: true })
    expect(r.file[0]).toBe(2)
    expect(await threadOf(pool, request(0))).toBeGreaterThan(0)
  })

  it('calls a file damaged on which the decoder traps twice', async () => {
    const pool = scriptedPool()
    await expect(pool.run(request(9, 1))).rejects.toMatchObject({
      code: 'CORRUPT_PARQUET',
      context: { file: 'memory://scripted' },
    })
  })

  it('replaces a worker whose memory has grown beyond the limit', async () => {
    const limits = { ...DEFAULT_LIMITS, workerMemoryBytes: 100 * 2 ** 20 }
    const pool = scriptedPool({ workers: 1, limits })
    const first = await threadOf(pool, request(0, 0, 99))
    expect(await threadOf(pool, request(0, 0, 101))).toBe(first)
    expect(await threadOf(pool, request(0))).not.toBe(first)
  })

  it('starts no more threads than it needs, nor than it may', async () => {
    const pool = scriptedPool({ workers: 3 })
    const one = await threadOf(pool, request(0))
    expect(await threadOf(pool, request(0))).toBe(one)
    const many = await Promise.all(Array.from({ length: 12 }, () => threadOf(pool, request(1, 4))))
    expect(new Set(many).size).toBeLessThanOrEqual(3)
    expect(new Set(many).size).toBeGreaterThan(1)
  })

  it('answers an abort at once, waiting or running, and goes on', async () => {
    const pool = scriptedPool({ workers: 1 })
    await threadOf(pool, request(0))
    const controller = new AbortController()
    const running = pool.run(request(1, 4), controller.signal)
    const waiting = pool.run(request(0), controller.signal)
    const other = threadOf(pool, request(0))
    controller.abort(new Error('enough'))
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await other).toBeGreaterThan(0)
    await expect(pool.run(request(0), controller.signal)).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('ends a thread that does not come back after an abort', async () => {
    let graceMs = 0
    const runtime: Runtime = {
      ...systemRuntime,
      sleep: async (ms) => {
        graceMs = ms
      },
    }
    const pool = scriptedPool({ workers: 1, runtime })
    const first = await threadOf(pool, request(0))
    const controller = new AbortController()
    const hanging = pool.run(request(9, 3), controller.signal)
    controller.abort()
    await expect(hanging).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await threadOf(pool, request(0))).not.toBe(first)
    expect(graceMs).toBe(5000)
  })

  it('refuses everything once it is closed', async () => {
    const pool = scriptedPool({ workers: 1 })
    await threadOf(pool, request(0))
    const running = pool.run(request(9, 3))
    const waiting = pool.run(request(0))
    const settled = Promise.allSettled([running, waiting])
    await pool.close()
    await pool.close()
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'HANDLE_CLOSED' } })
    }
    await expect(pool.run(request(0))).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
    await pool.prewarm()
  })

  it('says so if its script is not there', async () => {
    const pool = scriptedPool({ workerUrl: new URL('file:///nowhere/worker.js') })
    await expect(pool.run(request(0))).rejects.toMatchObject({ code: 'WORKER_FAILED' })
  })

  it.each([0, -1, 1.5, 1000])('refuses %d workers', (workers) => {
    expect(() => scriptedPool({ workers })).toThrow(/BAD_ARGUMENT/)
  })
})

describe('the real worker', () => {
  it('lets the process exit when it is idle', async () => {
    const dist = new URL('../../../dist/src/', import.meta.url).href
    const script = `
      import { openParquetPool } from '${dist}iceberg/parquet/worker-pool.js'
      import { systemRuntime } from '${dist}core/runtime.js'
      import { DEFAULT_LIMITS } from '${dist}core/limits.js'
      const pool = openParquetPool({ limits: DEFAULT_LIMITS, runtime: systemRuntime })
      await pool.prewarm()
      process.stdout.write('warm')`
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
    })
    expect((await run).stdout).toBe('warm')
  })

  it('runs into the ceiling of its memory, not into that of the machine, and goes on', async () => {
    const pool = openPool({ workerMemoryBytes: 32 * 2 ** 20, rowGroupBytes: 16 * 2 ** 20 }, 1)
    pools.push(pool)
    // One mebibyte of dictionary stands for a hundred rows: honest sizes, an honest checksum, a hundred mebibytes.
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 'x', required: true, type: { kind: 'string' } }],
    })
    const x = 'y'.repeat(2 ** 20)
    const path = 'memory://pool/bomb.parquet'
    const roomy = openPool({}, 1)
    pools.push(roomy)
    await writeFile(
      roomy,
      path,
      schema,
      [
        await batchOf(
          schema,
          Array.from({ length: 120 }, () => ({ x })),
        ),
      ],
      {
        options: { rowGroupBytes: 2 ** 30, dictionaryBytes: 2 ** 24 },
      },
    )
    expect((await store.stat(path))?.sizeBytes).toBeLessThan(100_000)
    const file = await openFile(pool, path)
    await expect(readFile(file, schema.fields)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      context: { limit: 'rowGroupBytes' },
    })
    const small = 'memory://pool/small.parquet'
    await writeFile(pool, small, schema, [await batchOf(schema, [{ x: 'a' }])])
    expect(await readFile(await openFile(pool, small), schema.fields)).toEqual([['a']])
  })
})

describe('the memory ceiling', () => {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const memory = (...limits: number[]): number[] => [5, limits.length + 1, 1, ...limits]
  const exported = [7, 7, 1, 3, 0x6d, 0x65, 0x6d, 2, 0]

  it.each([
    ['without a maximum', memory(0, 1)],
    ['with one', memory(1, 1, 90)],
  ])('is put into a binary %s', async (_, section) => {
    const binary = withMemoryMaximum(Uint8Array.from([...header, ...section, ...exported]), 300)
    const { instance } = await WebAssembly.instantiate(binary)
    const mem = instance.exports['mem'] as WebAssembly.Memory
    expect(mem.grow(299)).toBe(1)
    expect(() => mem.grow(1)).toThrow(RangeError)
  })

  it('is never below what the binary needs to start', async () => {
    const binary = withMemoryMaximum(Uint8Array.from([...header, ...memory(0, 17), ...exported]), 2)
    await expect(WebAssembly.instantiate(binary)).resolves.toBeDefined()
  })
})
