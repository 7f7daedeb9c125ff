/** A log in a temporary folder as a harness of the suite of sources. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { type EmbeddedLog, openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { openOptions, type SourceHarness, take } from '../source-conformance.ts'

/** @param view what the source is told: the log itself, or its folder as another process has it. */
export async function logHarness(view: 'log' | 'folder'): Promise<SourceHarness> {
  let agedMs = 0
  const runtime = { ...systemRuntime, now: () => systemRuntime.now() + agedMs }
  // For all tests of a suite: what `temporaryFolder` gives is gone after one, and the producer's lock with it.
  const folder = mkdtempSync(join(tmpdir(), 'floe-test-'))
  const log = await openLog(folder, { durability: 'os', runtime })
  const producer = await log.producer()
  let topics = 0
  const create = async (topic: string, partitions: number): Promise<void> => {
    await log.createTopic(topic, { partitions, segmentBytes: 32 * 1024, retentionMs: 3_600_000 })
  }
  const source = (names: readonly string[]): ReturnType<typeof logSource> =>
    logSource({ ...where(log, view), topics: names })
  return {
    source,
    createTopic: async (partitions) => {
      const topic = `topic-${++topics}`
      await create(topic, partitions)
      return topic
    },
    produce: async (topic, partition, records) => {
      const sent = await producer.send(
        topic,
        records.map((record) => ({ ...record, partition })),
      )
      return sent[0]?.offset ?? 0
    },
    truncate: async (topic, partition) => {
      agedMs = 7_200_000
      await log.enforceRetention()
      agedMs = 0
      const reader = await source([topic]).open(openOptions())
      const first = (await take(reader, 1)).find((record) => record.partition === partition)
      await reader.close()
      return first?.offset ?? 0
    },
    deleteTopic: (topic) => log.deleteTopic(topic),
    recreateTopic: async (topic, partitions) => {
      await log.deleteTopic(topic)
      await create(topic, partitions)
    },
    close: async () => {
      await log.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function where(
  log: EmbeddedLog,
  view: 'log' | 'folder',
): { log: EmbeddedLog } | { folder: string } {
  return view === 'log' ? { log } : { folder: log.folder }
}
