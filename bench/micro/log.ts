/**
 * The embedded log, one process: checksums, sends with and without syncs, reading. Run after `tsc -b`:
 * `node dist/bench/micro/log.js [records in thousands]`. Records have 300 bytes of value and keys of 12.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32c } from '../../src/core/crc32c.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { Position } from '../../src/stream/position.ts'
import { openLog } from '../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../src/stream/sources/log/log-source.ts'

const RECORDS = Number(process.argv[2] ?? 1000) * 1000
const VALUE_BYTES = 300
const MB = 1e6

function report(label: string, bytes: number, ms: number, note = ''): void {
  console.log(
    `${label.padEnd(44)} ${(bytes / MB / (ms / 1000)).toFixed(0).padStart(6)} MB/s  ${note}`,
  )
}

function checksums(): void {
  const bytes = new Uint8Array(64 * MB).map((_, i) => (i * 31) & 0xff)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let at = 0; at < bytes.length; at += 320) {
      crc32c(bytes, at, Math.min(bytes.length, at + 320))
    }
    best = Math.min(best, performance.now() - start)
  }
  report('crc32c of 320 bytes', bytes.length, best)
}

async function produce(
  folder: string,
  durability: 'fsync' | 'os',
  batch: number,
  lanes: number,
  records: number,
): Promise<void> {
  const log = await openLog(folder, { durability })
  const topic = `${durability}-${batch}-${lanes}`
  await log.createTopic(topic, { partitions: 4 })
  const producer = await log.producer()
  const value = Buffer.alloc(VALUE_BYTES, 'x')
  let sent = 0
  const lane = async (): Promise<void> => {
    while (sent < records) {
      const from = sent
      sent += batch
      await producer.send(
        topic,
        Array.from({ length: batch }, (_, i) => ({ key: `key-${from + i}`, value })),
      )
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: lanes }, lane))
  const ms = performance.now() - start
  const { syncs, sends } = producer.counts
  const note = `${((sent / ms) * 1000).toFixed(0)} records/s, ${sends} sends, ${syncs} syncs`
  report(
    `produce ${durability}, ${lanes} lanes of ${batch} records`,
    sent * (VALUE_BYTES + 12),
    ms,
    note,
  )
  await log.close()
}

async function read(folder: string, topic: string, records: number): Promise<void> {
  const reader = await logSource({ folder, topics: topic }).open({
    position: Position.EMPTY,
    topicIds: new Map(),
    maxRecordBytes: MB,
    bufferBytes: 16 * MB,
    runtime: systemRuntime,
    signal: new AbortController().signal,
  })
  const signal = new AbortController().signal
  let [seen, bytes] = [0, 0]
  const start = performance.now()
  while (seen < records) {
    for (const chunk of await reader.read({ waitMs: 1000, signal })) {
      seen += chunk.count
      bytes += chunk.byteLength
    }
  }
  const ms = performance.now() - start
  report('read into chunks', bytes, ms, `${((seen / ms) * 1000).toFixed(0)} records/s`)
  await reader.close()
}

const folder = mkdtempSync(join(tmpdir(), 'floe-bench-log-'))
try {
  checksums()
  await produce(folder, 'fsync', 1, 64, 20_000)
  await produce(folder, 'fsync', 1000, 4, RECORDS)
  await produce(folder, 'os', 1000, 4, RECORDS)
  for (let round = 0; round < 3; round++) await read(folder, 'os-1000-4', RECORDS)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
