/** The metrics and progress of a stream say nothing that is not so: no 0 for what is not known yet. docs/streaming.md */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { PrometheusRecorder } from '../../src/observe/prometheus.ts'
import {
  type SourceOpenOptions,
  type SourceReader,
  StreamBatch,
  type StreamProgress,
  stream,
} from '../../src/stream/index.ts'
import { RecordChunkBuilder } from '../../src/stream/record-chunk.ts'
import { memoryLake } from '../support/lakes.ts'
import { fill, options, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

/** What a scrape finds of the metrics, without help and labels. */
function scrape(recorder: PrometheusRecorder, ...names: string[]): string[] {
  const lines = recorder
    .render()
    .replaceAll(/\{[^}]*\}/g, '')
    .split('\n')
  return lines.filter((line) => names.some((name) => line.startsWith(`floe_stream_${name} `)))
}

async function setup() {
  const lake = await memoryLake()
  await tables(lake)
  const source = new MemorySource(3)
  const recorder = new PrometheusRecorder()
  const told: StreamProgress[] = []
  const onProgress = (progress: StreamProgress): void => void told.push(progress)
  const more = { recorder, onProgress }
  return { lake, source, recorder, told, more }
}

describe('metrics of a stream', () => {
  it('have no time and no lag of a commit before there is one', async () => {
    const { lake, source, recorder, more } = await setup()
    await stream(options(lake, source, more)).done
    const names = ['last_commit_timestamp_seconds', 'lag_messages', 'rows_total']
    expect(scrape(recorder, ...names)).toEqual(['floe_stream_rows_total 0'])
    fill(source, 0, 3)
    await stream(options(lake, source, more)).done
    const [lag, committed, rows] = scrape(recorder, ...names)
    expect([lag, rows]).toEqual(['floe_stream_lag_messages 0', 'floe_stream_rows_total 3'])
    expect(Number(committed?.split(' ')[1])).toBeGreaterThan(1.7e9)
  })

  it('leave records without a time out of the freshness', async () => {
    const { lake, source, recorder, told, more } = await setup()
    source.push(0, { value: 'a', timestampMs: -1 })
    await stream(options(lake, source, more)).done
    const names = ['freshness_seconds_sum', 'freshness_seconds_count']
    expect(scrape(recorder, ...names).at(-1)).toBe('floe_stream_freshness_seconds_count 0')
    source.push(
      0,
      { value: 'b', timestampMs: -1 },
      { value: 'c', timestampMs: systemRuntime.now() - 5000 },
    )
    await stream(options(lake, source, more)).done
    expect(told.map((p) => p.freshnessMs === null)).toEqual([true, false])
    expect(told[1]?.freshnessMs).toBeGreaterThanOrEqual(5000)
    expect(told[1]?.freshnessMs).toBeLessThan(600_000)
    expect(scrape(recorder, ...names).at(-1)).toBe('floe_stream_freshness_seconds_count 1')
  })

  it('have no freshness of batches without records', () => {
    const builder = new RecordChunkBuilder('events', 0, 5)
    const batch = new StreamBatch('test', 1, [builder.finish(9)])
    expect(batch).toMatchObject({ rows: 0, timeMs: 0, oldestMs: 0 })
  })

  it('say of the lag that it is not known while the source has not answered', async () => {
    const { lake, source, recorder, told, more } = await setup()
    fill(source, 0, 3)
    const open = async (how: SourceOpenOptions): Promise<SourceReader> => {
      const reader = await source.open(how)
      return { ...reader, endOffsets: () => new Promise(() => undefined) }
    }
    const run = stream(
      options(lake, source, {
        ...more,
        source: { name: 'slow', open },
        trigger: { intervalMs: 100 },
      }),
    )
    while (told.length === 0) await systemRuntime.sleep(10)
    await run.stop()
    expect(told[0]?.lagRecords).toBeNull()
    expect(scrape(recorder, 'lag_messages')).toEqual([])
  })

  it('count all that is unread in the lag, also of partitions that no batch has reached', async () => {
    const { lake, source, recorder, told, more } = await setup()
    fill(source, 0, 300)
    // Removed before the stream: not to be read.
    source.firstOffsets[2] = 40
    source.chunkRows = 30
    await stream(options(lake, source, { ...more, maxBatchRows: 50 })).done
    expect(told.map((p) => p.lagRecords)).toEqual([210, 160, 110, 60, 10, 0])
    expect(scrape(recorder, 'lag_messages')).toEqual(['floe_stream_lag_messages 0'])
  })

  it('count what a member of a group has got alone', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3, 'events', 'group')
    fill(source, 0, 300)
    const told: (number | null)[] = []
    const onProgress = ({ lagRecords }: StreamProgress): void => {
      told.push(lagRecords)
      if (told.length === 1) source.share([2])
    }
    const run = stream(
      options(lake, source, { onProgress, maxBatchRows: 40, trigger: { intervalMs: 100 } }),
    )
    while (told.length < 4) await systemRuntime.sleep(10)
    await run.stop()
    expect(told).toEqual([260, 60, 20, 0])
  })
})
