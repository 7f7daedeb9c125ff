/**
 * Gold: one row a video, with its counts and how viral it is. Events are folded one at a time, in the order of their
 * offsets, in event time. How they were cut into batches leaves no trace, not in the last bit, where those of a video are
 * in one partition, as keys have it. Those of several meet in the order of the batches: sums are rounded in that order.
 */
import { Float64, Int32, Int64, type RecordBatch, TimestampMicrosecond, Utf8 } from 'apache-arrow'
import { type Row, type SchemaLiteral, schema, t } from 'floe'
import { toBatch } from './bronze.ts'
import { ByteDictionary } from './byte-dictionary.ts'
import { BytesWriter, bytesReader, intsOf, longAt, longReader, NumberWriter } from './columns.ts'
import { exp2 } from './exp2.ts'
import { EVENT_TYPES } from './payloads.ts'

export const GOLD = 'gold.virality_state'

export const GOLD_SCHEMA: SchemaLiteral = schema(
  {
    video_id: t.string(),
    views: t.long(),
    likes: t.long(),
    shares: t.long(),
    comments: t.long(),
    completions: t.long(),
    viral_score: t.double(),
    velocity: t.double(),
    first_event_time: t.timestamptz(),
    last_event_time: t.timestamptz(),
    last_partition: t.optional(t.int()),
    last_offset: t.optional(t.long()),
  },
  { key: ['video_id'] },
)

export interface ViralitySettings {
  /** What an event adds to the score: for view, like, share, comment, completion. */
  readonly weights: readonly number[]
  /** After so long an event counts half, in the score and in the velocity. */
  readonly scoreHalfLifeMs: number
  readonly velocityHalfLifeMs: number
  /** An event that claims to be later than its record by more is passed over: it would make all others look old. */
  readonly mostAheadMs: number
}

export const VIRALITY: ViralitySettings = {
  weights: [1, 4, 10, 6, 3],
  scoreHalfLifeMs: 6 * 60 * 60 * 1000,
  velocityHalfLifeMs: 5 * 60 * 1000,
  mostAheadMs: 60 * 60 * 1000,
}

/** One video. Times are microseconds since the epoch. */
export interface VideoState {
  /** By type: view, like, share, comment, completion. */
  readonly counts: number[]
  score: number
  velocity: number
  firstMicros: number
  lastMicros: number
  partition: number
  offset: number
}

/** Where states are kept, such as the view that KeyedState gives. */
export interface VideoStates {
  get(videoId: string): VideoState | undefined
  set(videoId: string, state: VideoState): void
}

export interface FoldCounts {
  folded: number
  /** Without video, known type or time, also that of the record, or with a key that is not the video. */
  ignored: number
  /** From the future. */
  ahead: number
}

/**
 * Folds rows of Bronze, in their order, into the states of their videos. States that were there are not changed: new ones
 * are set.
 */
export function foldEvents(
  states: VideoStates,
  batches: readonly RecordBatch[],
  settings: ViralitySettings = VIRALITY,
): FoldCounts {
  const fold = new Fold(states, settings)
  for (const rows of batches) fold.add(rows)
  fold.finish()
  return fold.counts
}

/** The numbers of a video while events are folded into it: where they are in {@link Fold}'s column of a video. */
const SCORE = 0
const VELOCITY = 1
const FIRST = 2
const LAST = 3
const PARTITION = 4
const OFFSET = 5
const COUNTS = 6
const WIDTH: number = COUNTS + EVENT_TYPES.length

class Fold {
  readonly counts: FoldCounts = { folded: 0, ignored: 0, ahead: 0 }
  readonly #states: VideoStates
  readonly #settings: ViralitySettings
  readonly #videos = new ByteDictionary()
  readonly #types = new ByteDictionary()
  /** Those of each video, by the number of the video. Objects would make garbage of each number that is not whole. */
  #numbers = new Float64Array(256 * WIDTH)
  #open = 0

  constructor(states: VideoStates, settings: ViralitySettings) {
    this.#states = states
    this.#settings = settings
    for (const type of EVENT_TYPES) this.#types.code(Buffer.from(type), 0, type.length)
  }

  add(rows: RecordBatch): void {
    const videos = bytesReader(rows, 'video_id')
    const keys = bytesReader(rows, 'message_key')
    const types = bytesReader(rows, 'event_type')
    const times = longReader(rows, 'event_time')
    const sourceTimes = longReader(rows, 'source_time')
    const partitions = intsOf(rows, 'source_partition')
    const offsets = longReader(rows, 'source_offset')
    const { weights, scoreHalfLifeMs, velocityHalfLifeMs } = this.#settings
    const mostAheadMicros = this.#settings.mostAheadMs * 1000
    let [folded, ignored, ahead] = [0, 0, 0]
    for (let row = 0; row < rows.numRows; row++) {
      // Without the time of the record nothing says whether the event is from the future. A single one that is would make
      // all others of its video look old for good, while one that is passed over is in Bronze, with a reason.
      const hasTimes = times.has(row) && sourceTimes.has(row)
      const isWhole = hasTimes && videos.has(row) && types.has(row) && keys.has(row)
      if (!isWhole || !isSameValue(videos, keys, row)) {
        ignored++
        continue
      }
      const type = this.#types.find(
        types.bytes,
        types.offsets[row] as number,
        types.offsets[row + 1] as number,
      )
      if (type < 0) {
        ignored++
        continue
      }
      const micros = longAt(times.halves, row)
      if (micros - longAt(sourceTimes.halves, row) > mostAheadMicros) {
        ahead++
        continue
      }
      const video = this.#videos.code(
        videos.bytes,
        videos.offsets[row] as number,
        videos.offsets[row + 1] as number,
      )
      if (video === this.#open) this.#load(video)
      const numbers = this.#numbers
      const at = video * WIDTH
      const weight = weights[type] as number
      const last = numbers[at + LAST] as number
      let score = numbers[at + SCORE] as number
      let velocity = numbers[at + VELOCITY] as number
      // What there is fades to the time of the newest event, and so does what an older event adds.
      if (micros >= last) {
        const ms = last < 0 ? 0 : (micros - last) / 1000
        score = score * exp2(-ms / scoreHalfLifeMs) + weight
        velocity = velocity * exp2(-ms / velocityHalfLifeMs) + weight
        numbers[at + LAST] = micros
      } else {
        const ms = (last - micros) / 1000
        score += weight * exp2(-ms / scoreHalfLifeMs)
        velocity += weight * exp2(-ms / velocityHalfLifeMs)
      }
      numbers[at + SCORE] = score
      numbers[at + VELOCITY] = velocity
      if (micros < (numbers[at + FIRST] as number)) numbers[at + FIRST] = micros
      numbers[at + COUNTS + type] = (numbers[at + COUNTS + type] as number) + 1
      numbers[at + PARTITION] = partitions[row] as number
      numbers[at + OFFSET] = longAt(offsets.halves, row)
      folded++
    }
    this.counts.folded += folded
    this.counts.ignored += ignored
    this.counts.ahead += ahead
  }

  /** Hands over the videos that events were folded into. */
  finish(): void {
    for (let video = 0; video < this.#open; video++) {
      const at = video * WIDTH
      const numbers = this.#numbers.subarray(at, at + WIDTH)
      this.#states.set(this.#videos.text(video), {
        counts: [...numbers.subarray(COUNTS)],
        score: numbers[SCORE] as number,
        velocity: numbers[VELOCITY] as number,
        firstMicros: numbers[FIRST] as number,
        lastMicros: numbers[LAST] as number,
        partition: numbers[PARTITION] as number,
        offset: numbers[OFFSET] as number,
      })
    }
  }

  #load(video: number): void {
    this.#open++
    const at = video * WIDTH
    if (at === this.#numbers.length) {
      const grown = new Float64Array(at * 2)
      grown.set(this.#numbers)
      this.#numbers = grown
    }
    const numbers = this.#numbers.subarray(at, at + WIDTH)
    const known = this.#states.get(this.#videos.text(video))
    numbers.set(known?.counts ?? [], COUNTS)
    numbers[SCORE] = known?.score ?? 0
    numbers[VELOCITY] = known?.velocity ?? 0
    numbers[FIRST] = known?.firstMicros ?? Number.MAX_SAFE_INTEGER
    numbers[LAST] = known?.lastMicros ?? -1
    numbers[PARTITION] = known?.partition ?? -1
    numbers[OFFSET] = known?.offset ?? -1
  }
}

type Bytes = ReturnType<typeof bytesReader>

function isSameValue(a: Bytes, b: Bytes, row: number): boolean {
  const start = a.offsets[row] as number
  const length = (a.offsets[row + 1] as number) - start
  const other = b.offsets[row] as number
  if ((b.offsets[row + 1] as number) - other !== length) return false
  for (let i = 0; i < length; i++) if (a.bytes[start + i] !== b.bytes[other + i]) return false
  return true
}

/** States as rows of Gold. */
export function goldBatch(
  states: Iterable<readonly [videoId: string, state: VideoState]>,
): RecordBatch {
  const list = [...states]
  const rows = list.length
  const ids = new BytesWriter(rows, 12)
  const longs = EVENT_TYPES.map(() => new NumberWriter(new BigInt64Array(rows)))
  const score = new NumberWriter(new Float64Array(rows))
  const velocity = new NumberWriter(new Float64Array(rows))
  const first = new NumberWriter(new BigInt64Array(rows))
  const last = new NumberWriter(new BigInt64Array(rows))
  const partition = new NumberWriter(new Int32Array(rows))
  const offset = new NumberWriter(new BigInt64Array(rows))
  for (const [row, [id, state]] of list.entries()) {
    const bytes = Buffer.from(id)
    ids.copy(bytes, 0, bytes.length)
    for (const [type, column] of longs.entries()) column.set(row, state.counts[type] as number)
    score.set(row, state.score)
    velocity.set(row, state.velocity)
    first.set(row, state.firstMicros)
    last.set(row, state.lastMicros)
    partition.set(row, state.partition)
    offset.set(row, state.offset)
  }
  const long = new Int64()
  const time = new TimestampMicrosecond('UTC')
  const counts = longs.map((column) => column.finish(long))
  return toBatch(rows, {
    video_id: ids.finish(new Utf8()),
    ...Object.fromEntries(COUNT_COLUMNS.map((name, i) => [name, counts[i] as never])),
    viral_score: score.finish(new Float64()),
    velocity: velocity.finish(new Float64()),
    first_event_time: first.finish(time),
    last_event_time: last.finish(time),
    last_partition: partition.finish(new Int32()),
    last_offset: offset.finish(long),
  })
}

/** Columns of the counts, in the order of the types. */
const COUNT_COLUMNS = ['views', 'likes', 'shares', 'comments', 'completions']

/** The state of a row of Gold. */
export function videoState(row: Row): VideoState {
  return {
    counts: COUNT_COLUMNS.map((name) => Number(row[name])),
    score: row['viral_score'] as number,
    velocity: row['velocity'] as number,
    firstMicros: Number(row['first_event_time']),
    lastMicros: Number(row['last_event_time']),
    partition: row['last_partition'] as number,
    offset: Number(row['last_offset']),
  }
}
