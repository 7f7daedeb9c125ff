/**
 * Checks what the job has written, from the tables alone: every offset exactly once, Gold what Bronze comes to, ledgers
 * without gaps, tables sound. Memory is bounded by the number of videos and {@link WINDOW}.
 */
import { Int32, Int64, type RecordBatch, TimestampMicrosecond, Utf8 } from 'apache-arrow'
import type { Lake, Table } from 'floe'
import { verifyLedger } from 'floe/stream'
import { BRONZE, toBatch } from './bronze.ts'
import {
  BytesWriter,
  bytesReader,
  intsOf,
  type LongReader,
  longAt,
  longReader,
  NumberWriter,
} from './columns.ts'
import { foldEvents, GOLD, type VideoState, videoState } from './gold.ts'
import { STREAM_ID } from './job.ts'

export interface CheckResult {
  readonly name: string
  /** What is wrong; none if the check holds. */
  readonly problems: readonly string[]
  /** What was looked at. */
  readonly detail: string
}

/** Offsets of each partition that are looked at together. */
const WINDOW = 250_000
/** Problems that are named. */
const NAMED = 5

const LONGS = ['event_time', 'source_offset', 'source_time'] as const
const TEXTS = ['video_id', 'event_type', 'message_key'] as const

/** Looks at the tables as they are: nobody may write them meanwhile. */
export async function checkPipeline(lake: Lake): Promise<CheckResult[]> {
  const bronze = await lake.table(BRONZE)
  const gold = await lake.table(GOLD)
  const { offsets, states } = await readBronze(bronze)
  return [
    offsets,
    await compareGold(gold, states),
    checkLedgers(bronze, gold),
    await checkTable(bronze),
    await checkTable(gold),
  ]
}

/** Reads Bronze in the order of offsets, window by window, and folds it. */
async function readBronze(
  bronze: Table,
): Promise<{ offsets: CheckResult; states: Map<string, VideoState> }> {
  const states = new Map<string, VideoState>()
  const problems: string[] = []
  const spans = await spansOf(bronze)
  // The end of each partition is what the ledger says, not what there is.
  for (const { partition, offset } of positionOf(bronze)) {
    const span = spans.get(partition)
    if (span === undefined || span.end !== offset) {
      problems.push(`partition ${partition} ends at ${span?.end ?? 0}, its position is ${offset}`)
    }
  }
  let rows = 0
  const starts = [...spans.values()].map(({ start }) => start)
  const end = Math.max(0, ...[...spans.values()].map((span) => span.end))
  for (let from = Math.min(end, ...starts); from < end; from += WINDOW) {
    const window = new Window(from, [...spans.keys()])
    const where = { source_offset: { gte: from, lt: from + WINDOW } }
    const select = [...TEXTS, ...LONGS, 'source_partition']
    for await (const batch of bronze.scan({ where, select }).batches()) window.add(batch)
    problems.push(...window.problems(spans))
    const sorted = window.sorted()
    rows += sorted.numRows
    foldEvents(states, [sorted])
  }
  const detail = `${rows.toLocaleString('en')} records of ${spans.size} partitions`
  return {
    offsets: { name: 'every offset once in Bronze', problems: cut(problems), detail },
    states,
  }
}

interface Span {
  start: number
  end: number
}

/** Where the offsets of each partition begin and end. */
async function spansOf(bronze: Table): Promise<Map<number, Span>> {
  const spans = new Map<number, Span>()
  const select = ['source_partition', 'source_offset']
  for await (const batch of bronze.scan({ select }).batches()) {
    const partitions = intsOf(batch, 'source_partition')
    const { halves } = longReader(batch, 'source_offset')
    for (let row = 0; row < batch.numRows; row++) {
      const partition = partitions[row] as number
      const offset = longAt(halves, row)
      const span = spans.get(partition)
      if (span === undefined) spans.set(partition, { start: offset, end: offset + 1 })
      else {
        if (offset < span.start) span.start = offset
        if (offset >= span.end) span.end = offset + 1
      }
    }
  }
  return spans
}

/** The rows of some offsets of all partitions. */
class Window {
  readonly #from: number
  readonly #partitions: readonly number[]
  readonly #batches: RecordBatch[] = []
  /** For each offset of each partition one more than the number of its row, over all batches. */
  readonly #slots: Int32Array
  readonly #problems: string[] = []
  #rows = 0

  constructor(from: number, partitions: readonly number[]) {
    this.#from = from
    this.#partitions = partitions
    this.#slots = new Int32Array(partitions.length * WINDOW)
  }

  add(batch: RecordBatch): void {
    this.#batches.push(batch)
    const partitions = intsOf(batch, 'source_partition')
    const { halves } = longReader(batch, 'source_offset')
    for (let row = 0; row < batch.numRows; row++) {
      const partition = partitions[row] as number
      const offset = longAt(halves, row)
      const slot = this.#partitions.indexOf(partition) * WINDOW + offset - this.#from
      if (this.#slots[slot] !== 0) {
        this.#problems.push(`offset ${offset} of partition ${partition} is there twice`)
      }
      this.#slots[slot] = ++this.#rows
    }
  }

  /** What is there twice, or missing between the ends of its partition. */
  problems(spans: ReadonlyMap<number, Span>): string[] {
    for (const [i, partition] of this.#partitions.entries()) {
      const { start, end } = spans.get(partition) as Span
      const to = Math.min(end, this.#from + WINDOW)
      for (let offset = Math.max(start, this.#from); offset < to; offset++) {
        if (this.#slots[i * WINDOW + offset - this.#from] === 0) {
          this.#problems.push(`offset ${offset} of partition ${partition} is missing`)
        }
      }
    }
    return this.#problems
  }

  /** The rows by partition and offset. */
  sorted(): RecordBatch {
    const ends: number[] = []
    let total = 0
    for (const batch of this.#batches) ends.push((total += batch.numRows))
    const filled = this.#slots.filter((slot) => slot !== 0)
    const batchOf = new Int32Array(filled.length)
    const rowOf = new Int32Array(filled.length)
    for (let i = 0; i < filled.length; i++) {
      const row = (filled[i] as number) - 1
      let low = 0
      let high = ends.length - 1
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((ends[middle] as number) <= row) low = middle + 1
        else high = middle
      }
      batchOf[i] = low
      rowOf[i] = row - (low === 0 ? 0 : (ends[low - 1] as number))
    }
    return gather(this.#batches, batchOf, rowOf)
  }
}

/** Rows of several batches as one. */
function gather(
  batches: readonly RecordBatch[],
  batchOf: Int32Array,
  rowOf: Int32Array,
): RecordBatch {
  const rows = batchOf.length
  const text = (column: string) => {
    const readers = batches.map((batch) => bytesReader(batch, column))
    const out = new BytesWriter(rows, 12)
    for (let i = 0; i < rows; i++) {
      const { bytes, offsets, has } = readers[batchOf[i] as number] as (typeof readers)[number]
      const row = rowOf[i] as number
      if (has(row)) out.copy(bytes, offsets[row] as number, offsets[row + 1] as number)
      else out.skip()
    }
    return out.finish(new Utf8())
  }
  const long = (column: string, type: Int64 | TimestampMicrosecond) => {
    const readers = batches.map((batch) => longReader(batch, column))
    const out = new NumberWriter(new BigInt64Array(rows))
    for (let i = 0; i < rows; i++) {
      const { halves, has } = readers[batchOf[i] as number] as LongReader
      const row = rowOf[i] as number
      if (has(row)) out.set(i, longAt(halves, row))
    }
    return out.finish(type)
  }
  const partitions = batches.map((batch) => intsOf(batch, 'source_partition'))
  const partition = new NumberWriter(new Int32Array(rows))
  for (let i = 0; i < rows; i++) {
    partition.set(i, (partitions[batchOf[i] as number] as Int32Array)[rowOf[i] as number] as number)
  }
  const time = new TimestampMicrosecond('UTC')
  return toBatch(rows, {
    video_id: text('video_id'),
    event_type: text('event_type'),
    message_key: text('message_key'),
    event_time: long('event_time', time),
    source_time: long('source_time', time),
    source_offset: long('source_offset', new Int64()),
    source_partition: partition.finish(new Int32()),
  })
}

/** Gold has to be what the fold of Bronze comes to, to the last bit. */
async function compareGold(
  gold: Table,
  states: ReadonlyMap<string, VideoState>,
): Promise<CheckResult> {
  const problems: string[] = []
  let rows = 0
  for await (const row of gold.scan().rows()) {
    rows++
    const id = row['video_id'] as string
    const expected = states.get(id)
    const actual = videoState(row)
    if (expected === undefined) problems.push(`${id} has no event in Bronze`)
    else if (!isSameState(expected, actual)) {
      problems.push(`${id} is ${JSON.stringify(actual)}, should be ${JSON.stringify(expected)}`)
    }
  }
  if (rows !== states.size) problems.push(`Gold has ${rows} rows for ${states.size} videos`)
  const detail = `${rows.toLocaleString('en')} videos`
  return { name: 'Gold is the fold of Bronze, bit by bit', problems: cut(problems), detail }
}

function isSameState(a: VideoState, b: VideoState): boolean {
  return (
    a.counts.every((count, i) => count === b.counts[i]) &&
    Object.is(a.score, b.score) &&
    Object.is(a.velocity, b.velocity) &&
    a.firstMicros === b.firstMicros &&
    a.lastMicros === b.lastMicros &&
    a.partition === b.partition &&
    a.offset === b.offset
  )
}

function positionOf(table: Table): { partition: number; offset: number }[] {
  const ledger = verifyLedger(table, STREAM_ID).streams[0]
  return ledger === undefined ? [] : [...ledger.position.entries()]
}

function checkLedgers(bronze: Table, gold: Table): CheckResult {
  const problems: string[] = []
  const details: string[] = []
  for (const table of [bronze, gold]) {
    const ledger = verifyLedger(table, STREAM_ID).streams[0]
    if (ledger === undefined) {
      problems.push(`${table.name} has no ledger of the stream`)
      continue
    }
    problems.push(...ledger.problems.map((problem) => `${table.name}: ${problem}`))
    const since = ledger.complete ? 'all' : 'the last'
    details.push(`${since} ${ledger.commits} commits of ${table.name}`)
  }
  if (JSON.stringify(positionOf(bronze)) !== JSON.stringify(positionOf(gold))) {
    problems.push(`${BRONZE} and ${GOLD} are at different positions`)
  }
  return {
    name: 'ledgers without gap or overlap',
    problems: cut(problems),
    detail: details.join(', '),
  }
}

async function checkTable(table: Table): Promise<CheckResult> {
  const report = await table.fsck({ data: 'sample', allSnapshots: false })
  return {
    name: `fsck of ${table.name}`,
    problems: cut(report.problems.map(({ message }) => message)),
    detail: `${report.checks.length} invariants over ${report.files} files`,
  }
}

function cut(problems: readonly string[]): string[] {
  if (problems.length <= NAMED) return [...problems]
  return [...problems.slice(0, NAMED), `and ${problems.length - NAMED} more`]
}
