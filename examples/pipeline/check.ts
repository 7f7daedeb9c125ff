/**
 * Checks what the job has written, from the tables alone: every offset exactly once, Gold what Bronze comes to, ledgers
 * without gaps, tables sound. Memory is bounded by the numbers of videos and partitions and by {@link WINDOW}.
 */
import { Int32, Int64, type RecordBatch, TimestampMicrosecond, Utf8 } from 'apache-arrow'
import type { Lake, Table } from 'floe'
import { verifyLedger } from 'floe/stream'
import { BRONZE, toBatch } from './bronze.ts'
import { ByteDictionary } from './byte-dictionary.ts'
import {
  BytesWriter,
  bytesReader,
  intsOf,
  type LongReader,
  longAt,
  longReader,
  NumberWriter,
} from './columns.ts'
import { foldEvents, GOLD, type VideoState, type VideoStates, videoState } from './gold.ts'
import { STREAM_ID } from './job.ts'

export interface CheckResult {
  readonly name: string
  /** What is wrong; none if the check holds. */
  readonly problems: readonly string[]
  /** What was looked at. */
  readonly detail: string
}

/** Offsets of all partitions together that are looked at at once. */
const WINDOW = 1_000_000
/** Problems that are named. */
const NAMED = 5

const LONGS = ['event_time', 'source_offset', 'source_time'] as const
const TEXTS = ['video_id', 'event_type', 'message_key'] as const

/**
 * Looks at the tables as they are: nobody may write them meanwhile.
 * @param windowRows see {@link WINDOW}
 * @param batches that the stream says it has committed
 */
export async function checkPipeline(
  lake: Lake,
  windowRows: number = WINDOW,
  batches = 0,
): Promise<CheckResult[]> {
  const bronze = await lake.table(BRONZE)
  const gold = await lake.table(GOLD)
  const { offsets, videos } = await readBronze(bronze, windowRows)
  return [
    offsets,
    await compareGold(gold, videos),
    checkLedgers(bronze, gold, batches),
    await checkTable(bronze),
    await checkTable(gold),
  ]
}

/** Reads Bronze in the order of offsets, window by window, and folds it. */
async function readBronze(
  bronze: Table,
  windowRows: number,
): Promise<{ offsets: CheckResult; videos: Videos }> {
  const videos = new Videos()
  const problems = new Problems()
  const partitions = new Partitions()
  await partitions.read(bronze)
  const spans = partitions.sorted()
  comparePositions(bronze, spans, problems)
  let rows = 0
  for (let from = nextOffset(spans, 0); from < Number.POSITIVE_INFINITY; ) {
    const to = windowEnd(spans, from, windowRows)
    const window = new Window(from, to, spans, problems)
    const where = { source_offset: { gte: from, lt: to } }
    const select = [...TEXTS, ...LONGS, 'source_topic', 'source_partition']
    for await (const batch of bronze.scan({ where, select }).batches()) {
      window.add(batch, partitions.of(batch))
    }
    window.findMissing()
    const { sorted, runs } = window.sorted()
    rows += sorted.numRows
    for (const { span, start, end } of runs) {
      foldEvents(videos.within(span), [sorted.slice(start, end)])
    }
    from = nextOffset(spans, to)
  }
  const detail = `${rows.toLocaleString('en')} records of ${spans.length} partitions`
  return {
    offsets: { name: 'every offset once in Bronze', problems: problems.list, detail },
    videos,
  }
}

/** What of a partition is in Bronze: offsets from `start` on, before `end`. */
interface Span {
  readonly topic: string
  readonly partition: number
  start: number
  end: number
  /** Its place among all, by topic and partition: the order in which the stream has them in a batch. */
  index: number
}

const nameOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`

/** The end of each partition is what the ledger says, not what there is, and so is the number of records. */
function comparePositions(bronze: Table, spans: readonly Span[], problems: Problems): void {
  for (const { summary, snapshotId } of bronze.snapshots()) {
    const operation = summary['operation']
    // Rewritten files have the same rows.
    if (operation === 'append' || operation === 'replace') continue
    problems.add(`snapshot ${snapshotId} has changed what was taken in: it is of ${operation}`)
  }
  const ledger = verifyLedger(bronze, STREAM_ID).streams[0]
  const found = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  if (ledger?.complete === true && found < ledger.offsets) {
    problems.add(`the stream has taken in ${ledger.offsets} offsets, of which ${found} are covered`)
  }
  const unknown = new Map(spans.map((span) => [nameOf(span), span]))
  const unread = verifyLedger(bronze, STREAM_ID).streams[0]?.unread
  for (const at of positionOf(bronze)) {
    const span = unknown.get(nameOf(at))
    unknown.delete(nameOf(at))
    if (span?.end === at.offset) continue
    // It has a place, and had no record.
    if (span === undefined && unread?.get(at.topic, at.partition) !== undefined) continue
    problems.add(`${nameOf(at)} ends at ${span?.end ?? 0}, its position is ${at.offset}`)
  }
  for (const name of unknown.keys()) problems.add(`${name} has records, and no position`)
}

/** The partitions of all topics that are in Bronze. */
class Partitions {
  readonly #topics = new ByteDictionary()
  /** By the number of the topic and by partition. */
  readonly #spans: Map<number, Span>[] = []

  async read(bronze: Table): Promise<void> {
    const select = ['source_topic', 'source_partition', 'source_offset']
    for await (const batch of bronze.scan({ select }).batches()) {
      const of = this.of(batch)
      const { halves } = longReader(batch, 'source_offset')
      for (let row = 0; row < batch.numRows; row++) {
        const span = of(row)
        const offset = longAt(halves, row)
        if (offset < span.start) span.start = offset
        if (offset >= span.end) span.end = offset + 1
      }
    }
  }

  /** The partition of each row. */
  of(batch: RecordBatch): (row: number) => Span {
    const { bytes, offsets } = bytesReader(batch, 'source_topic')
    const partitions = intsOf(batch, 'source_partition')
    return (row) => {
      const topic = this.#topics.code(bytes, offsets[row] as number, offsets[row + 1] as number)
      const partition = partitions[row] as number
      let spans = this.#spans[topic]
      if (spans === undefined) this.#spans[topic] = spans = new Map()
      let span = spans.get(partition)
      if (span === undefined) {
        const name = this.#topics.text(topic)
        span = { topic: name, partition, start: Number.POSITIVE_INFINITY, end: 0, index: -1 }
        spans.set(partition, span)
      }
      return span
    }
  }

  sorted(): Span[] {
    const spans = this.#spans.flatMap((ofTopic) => [...ofTopic.values()])
    spans.sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )
    for (const [index, span] of spans.entries()) span.index = index
    return spans
  }
}

/** The first offset from `from` on that a partition has; Infinity if there is none. */
function nextOffset(spans: readonly Span[], from: number): number {
  let next = Number.POSITIVE_INFINITY
  for (const { start, end } of spans) if (end > from) next = Math.min(next, Math.max(start, from))
  return next
}

/** Up to where there are no more than so many offsets from `from` on, but one of each partition at least. */
function windowEnd(spans: readonly Span[], from: number, most: number): number {
  let least = from + 1
  let last = least
  for (const { end } of spans) last = Math.max(last, end)
  while (least < last) {
    const middle = least + Math.ceil((last - least) / 2)
    let offsets = 0
    for (const span of spans) offsets += offsetsWithin(span, from, middle)
    if (offsets <= most) least = middle
    else last = middle - 1
  }
  return least
}

function offsetsWithin({ start, end }: Span, from: number, to: number): number {
  return Math.max(0, Math.min(end, to) - Math.max(start, from))
}

/** Rows of one partition among those that are sorted: from `start` on, before `end`. */
interface Run {
  readonly span: Span
  readonly start: number
  readonly end: number
}

/** The rows of some offsets of all partitions. */
class Window {
  readonly #from: number
  readonly #to: number
  readonly #spans: readonly Span[]
  readonly #problems: Problems
  readonly #batches: RecordBatch[] = []
  /** For each offset one more than the number of its row, over all batches: by partition, then by offset. */
  readonly #slots: Int32Array
  /** The first slot of each partition. */
  readonly #bases: Int32Array
  #rows = 0

  constructor(from: number, to: number, spans: readonly Span[], problems: Problems) {
    this.#from = from
    this.#to = to
    this.#spans = spans
    this.#problems = problems
    this.#bases = new Int32Array(spans.length)
    let slots = 0
    for (const span of spans) {
      this.#bases[span.index] = slots
      slots += offsetsWithin(span, from, to)
    }
    this.#slots = new Int32Array(slots)
  }

  add(batch: RecordBatch, spanOf: (row: number) => Span): void {
    this.#batches.push(batch)
    const { halves } = longReader(batch, 'source_offset')
    for (let row = 0; row < batch.numRows; row++) {
      const span = spanOf(row)
      const offset = longAt(halves, row)
      const slot = (this.#bases[span.index] as number) + offset - Math.max(span.start, this.#from)
      if (this.#slots[slot] !== 0) {
        this.#problems.add(`offset ${offset} of ${nameOf(span)} is there twice`)
      }
      this.#slots[slot] = ++this.#rows
    }
  }

  /** What is missing between the ends of its partition. */
  findMissing(): void {
    for (const span of this.#spans) {
      const base = this.#bases[span.index] as number
      const offsets = offsetsWithin(span, this.#from, this.#to)
      for (let i = 0; i < offsets; i++) {
        if (this.#slots[base + i] !== 0) continue
        const offset = Math.max(span.start, this.#from) + i
        this.#problems.add(`offset ${offset} of ${nameOf(span)} is missing`)
      }
    }
  }

  /** The rows by topic, partition and offset. */
  sorted(): { sorted: RecordBatch; runs: Run[] } {
    const runs: Run[] = []
    const rows = new Int32Array(this.#slots.length)
    let count = 0
    for (const span of this.#spans) {
      const start = count
      const base = this.#bases[span.index] as number
      const end = base + offsetsWithin(span, this.#from, this.#to)
      for (let i = base; i < end; i++) {
        const slot = this.#slots[i] as number
        if (slot !== 0) rows[count++] = slot - 1
      }
      if (count > start) runs.push({ span, start, end: count })
    }
    return { sorted: this.#gathered(rows.subarray(0, count)), runs }
  }

  #gathered(rows: Int32Array): RecordBatch {
    const ends: number[] = []
    let total = 0
    for (const batch of this.#batches) ends.push((total += batch.numRows))
    const batchOf = new Int32Array(rows.length)
    const rowOf = new Int32Array(rows.length)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number
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

/** A video as the events of Bronze make it. */
interface Folded {
  state: VideoState
  /** Of its first event. */
  readonly span: Span
  /** Where its events are in several partitions, the last offset in each. */
  lasts?: Map<Span, number>
}

/** What Bronze comes to. */
class Videos {
  readonly folded = new Map<string, Folded>()

  /** For events of one partition. */
  within(span: Span): VideoStates {
    return {
      get: (id) => this.folded.get(id)?.state,
      set: (id, state) => {
        const known = this.folded.get(id)
        if (known === undefined) {
          this.folded.set(id, { state, span })
          return
        }
        if (known.span !== span) known.lasts ??= new Map([[known.span, known.state.offset]])
        known.lasts?.set(span, state.offset)
        known.state = state
      },
    }
  }
}

/**
 * Gold has to be what the fold of Bronze comes to: to the last bit where the events of a video are in one partition. Those
 * of several partitions meet in the order of the batches, which Bronze does not tell.
 */
async function compareGold(gold: Table, { folded }: Videos): Promise<CheckResult> {
  const problems = new Problems()
  let rows = 0
  let spread = 0
  for await (const row of gold.scan().rows()) {
    rows++
    const id = row['video_id'] as string
    const expected = folded.get(id)
    const actual = videoState(row)
    if (expected === undefined) {
      problems.add(`${id} has no event in Bronze`)
      continue
    }
    const { state, lasts } = expected
    if (lasts !== undefined) spread++
    if (lasts === undefined ? isSameState(state, actual) : isCloseState(state, lasts, actual)) {
      continue
    }
    const but = lasts === undefined ? '' : ', but for rounding and which of its partitions was last'
    problems.add(`${id} is ${JSON.stringify(actual)}, should be ${JSON.stringify(state)}${but}`)
  }
  if (rows !== folded.size) problems.add(`Gold has ${rows} rows for ${folded.size} videos`)
  const n = (value: number): string => value.toLocaleString('en')
  const rest = spread === 0 ? '' : `, ${n(spread)} with events in several partitions up to rounding`
  const detail = `${n(rows - spread)} videos bit by bit${rest}`
  return { name: 'Gold is the fold of Bronze', problems: problems.list, detail }
}

function isSameState(a: VideoState, b: VideoState): boolean {
  return (
    hasSameEvents(a, b) &&
    Object.is(a.score, b.score) &&
    Object.is(a.velocity, b.velocity) &&
    a.partition === b.partition &&
    a.offset === b.offset
  )
}

/** For each event a fold is off by less than half of this part of the score: a power of two, a product and a sum. */
const ROUNDING: number = 2 ** -48

/** What does not rest on the order of partitions is the same. @param lasts the last offset in each */
function isCloseState(
  expected: VideoState,
  lasts: ReadonlyMap<Span, number>,
  actual: VideoState,
): boolean {
  const tolerance = ROUNDING * expected.counts.reduce((sum, count) => sum + count, 0)
  const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= a * tolerance
  // Within a partition the order is known: the last event of all is the last one of some partition.
  const isLast = ([{ partition }, offset]: [Span, number]): boolean =>
    partition === actual.partition && offset === actual.offset
  return (
    hasSameEvents(expected, actual) &&
    isClose(expected.score, actual.score) &&
    isClose(expected.velocity, actual.velocity) &&
    [...lasts].some(isLast)
  )
}

function hasSameEvents(a: VideoState, b: VideoState): boolean {
  return (
    a.counts.every((count, i) => count === b.counts[i]) &&
    a.firstMicros === b.firstMicros &&
    a.lastMicros === b.lastMicros
  )
}

function positionOf(table: Table): { topic: string; partition: number; offset: number }[] {
  const ledger = verifyLedger(table, STREAM_ID).streams[0]
  return ledger === undefined ? [] : [...ledger.position.entries()]
}

function checkLedgers(bronze: Table, gold: Table, batches: number): CheckResult {
  const name = 'ledgers without gap or overlap'
  // A stream that was ended before its first commit leaves the tables as they were made.
  if (batches === 0 && isUntouched(bronze) && isUntouched(gold)) {
    return { name, problems: [], detail: 'nothing committed yet' }
  }
  const problems = new Problems()
  const details: string[] = []
  for (const table of [bronze, gold]) {
    const ledger = verifyLedger(table, STREAM_ID).streams[0]
    if (ledger === undefined) {
      problems.add(`${table.name} has no ledger of the stream`)
      continue
    }
    for (const problem of ledger.problems) problems.add(`${table.name}: ${problem}`)
    const since = ledger.complete ? 'all' : 'the last'
    details.push(`${since} ${ledger.commits} commits of ${table.name}`)
  }
  if (JSON.stringify(positionOf(bronze)) !== JSON.stringify(positionOf(gold))) {
    problems.add(`${BRONZE} and ${GOLD} are at different positions`)
  }
  return { name, problems: problems.list, detail: details.join(', ') }
}

function isUntouched(table: Table): boolean {
  return table.snapshots().length === 0 && verifyLedger(table, STREAM_ID).streams.length === 0
}

async function checkTable(table: Table): Promise<CheckResult> {
  const report = await table.fsck({ data: 'sample', allSnapshots: false })
  const problems = new Problems()
  for (const { message } of report.problems) problems.add(message)
  return {
    name: `fsck of ${table.name}`,
    problems: problems.list,
    detail: `${report.checks.length} invariants over ${report.files} files`,
  }
}

/** There may be one for each record: the first are named, the others counted. */
class Problems {
  readonly #named: string[] = []
  #more = 0

  add(problem: string): void {
    if (this.#named.length < NAMED) this.#named.push(problem)
    else this.#more++
  }

  get list(): string[] {
    return this.#more === 0 ? [...this.#named] : [...this.#named, `and ${this.#more} more`]
  }
}
