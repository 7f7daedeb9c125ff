/** Suite `stream`: the pipeline's job, Bronze and Gold in one commit: its fixed cost, and what a CPU second does. */
import { join } from 'node:path'
import { type Figure, inChild, median, quantile, temporaryFolder } from './measure.js'

/** Rows of a batch, and CPU seconds from the stream's start to the batch's end. */
export interface BatchEnd {
  readonly rows: number
  readonly cpuSeconds: number
}

/** The later half of the batches, and the CPU seconds of these: in the first ones code is compiled. */
export function laterHalf<B extends BatchEnd>(
  all: readonly B[],
): { readonly batches: readonly B[]; readonly cpuSeconds: number } {
  const middle = all.length >> 1
  const cpuSeconds = (all.at(-1)?.cpuSeconds ?? 0) - (all[middle - 1]?.cpuSeconds ?? 0)
  return { batches: all.slice(middle), cpuSeconds }
}

/**
 * A figure of MiB a CPU second beside its bar, and below it what this machine does in this hour without floe. The two do
 * not change by the same factor from hour to hour: the second is a rough yardstick, by which the first is not scaled.
 */
export async function ratedFigures(
  script: (name: string) => string,
  name: string,
  mib: number,
  leastMib: number,
  peer = '',
): Promise<Figure[]> {
  return [
    {
      name,
      value: `${mib.toFixed(1)} MiB of values a CPU second`,
      bar: `≥ ${leastMib} MiB`,
      reached: mib >= leastMib,
      peer,
    },
    { name: 'rough yardstick: kafkajs and JSON.parse alone', value: await yardstick(script) },
  ]
}

async function yardstick(script: (name: string) => string): Promise<string> {
  try {
    const plain = await inChild<{ readonly mibPerCpuSecond: number }>(script('decode'), [])
    return `${plain.mibPerCpuSecond.toFixed(0)} MiB of values a CPU second`
  } catch (error) {
    return `not measured: ${(error as Error).message.split('\n', 1)[0]}`
  }
}

/** What `stream.ts` prints. */
export interface StreamResult {
  readonly transform: readonly number[]
  readonly commit: readonly number[]
  /** Bytes are those of keys and values. */
  readonly batches: readonly (BatchEnd & { readonly bytes: number })[]
  readonly mibPerCpuSecond: number
  readonly rowsPerSecond: number
  readonly bytesPerEvent: number
  readonly peakRssMiB: number
  readonly folded: number
}

/** Bytes of the values in the later half of the batches: of them a batch has about the share that it has of all bytes. */
export function lateValueBytes({ batches }: StreamResult, valueBytes: number): number {
  const bytesOf = (all: StreamResult['batches']): number => all.reduce((sum, b) => sum + b.bytes, 0)
  return (valueBytes * bytesOf(laterHalf(batches).batches)) / bytesOf(batches)
}

const MOST_BATCH_MS = 60
const LEAST_LOG_MIB = 40
export const MOST_RSS_MIB = 512
const LARGE_BATCH = 100_000

/** @param script gives the compiled path of a child of this folder */
export async function streamSuite(
  script: (name: string) => string,
  quick: boolean,
): Promise<Figure[]> {
  const run = async (events: number, batchRows: number): Promise<StreamResult> => {
    const folder = temporaryFolder()
    try {
      const args = [String(events), String(batchRows), join(folder.path, 'lake')]
      if (batchRows < LARGE_BATCH) return await inChild(script('stream'), [...args, 'memory'])
      // What made the events must not count as memory of what takes them.
      const log = join(folder.path, 'log')
      const { bytes } = await inChild<{ bytes: number }>(script('fill-log'), [String(events), log])
      return await inChild(script('stream'), [...args, 'log', log, String(bytes)])
    } finally {
      folder.remove()
    }
  }
  const batches = quick ? 30 : 200
  const small = await run(batches * 1000, 1000)
  // The first batches find caches cold and code not compiled.
  const whole = small.transform.map((ms, i) => ms + (small.commit[i] as number)).slice(10)
  const cost = median(whole)
  const events = quick ? 200_000 : 4_000_000
  const log = await run(events, LARGE_BATCH)
  const rows = (r: StreamResult): string => `${Math.round(r.rowsPerSecond / 1000)}k events/s`
  return [
    {
      name: `batch of 1,000 events into two tables, p50 of ${whole.length}`,
      value: `${cost.toFixed(1)} ms`,
      bar: `≤ ${MOST_BATCH_MS} ms`,
      reached: cost <= MOST_BATCH_MS,
    },
    { name: 'the same, p99', value: `${quantile(whole, 0.99).toFixed(1)} ms` },
    ...(await ratedFigures(
      script,
      `embedded log → Bronze and Gold, ${events} events of ${Math.round(log.bytesPerEvent)} B, batches of 100,000, the later half (one run)`,
      lateValueBytes(log, log.bytesPerEvent * events) / 2 ** 20 / laterHalf(log.batches).cpuSeconds,
      LEAST_LOG_MIB,
    )),
    {
      name: 'the whole run, with what V8 compiles at first',
      value: `${log.mibPerCpuSecond.toFixed(1)} MiB of values a CPU second (${rows(log)})`,
    },
    {
      name: 'the same, peak memory',
      value: `${log.peakRssMiB} MiB`,
      bar: `≤ ${MOST_RSS_MIB} MiB`,
      reached: log.peakRssMiB <= MOST_RSS_MIB,
    },
  ]
}
