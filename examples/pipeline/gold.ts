/**
 * Gold: one row a video, with its counts and how viral it is. Events are folded one at a time, in the order of their
 * offsets, in event time. How they were cut into batches leaves no trace, not in the last bit.
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
  /** Without video, known type or time, or with a key that is not the video. */
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
  return fold.counts
}

class Fold {
  readonly counts: FoldCounts = { folded: 0, ignored: 0, ahead: 0 }
  readonly #states: VideoStates
  readonly #settings: ViralitySettings
  readonly #videos = new ByteDictionary()
  /** By the numbers of the videos. */
  readonly #current: VideoState[] = []
  readonly #types = new ByteDictionary()

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
    const mostAheadMicros = this.#settings.mostAheadMs * 1000
    for (let row = 0; row < rows.numRows; row++) {
      const isWhole = videos.has(row) && types.has(row) && times.has(row) && keys.has(row)
      if (!isWhole || !isSameValue(videos, keys, row)) {
        this.counts.ignored++
        continue
      }
      const type = this.#types.code(
        types.bytes,
        types.offsets[row] as number,
        types.offsets[row + 1] as number,
      )
      if (type >= EVENT_TYPES.length) {
        this.counts.ignored++
        continue
      }
      const micros = longAt(times.halves, row)
      if (micros - longAt(sourceTimes.halves, row) > mostAheadMicros) {
        this.counts.ahead++
        continue
      }
      const video = this.#videos.code(
        videos.bytes,
        videos.offsets[row] as number,
        videos.offsets[row + 1] as number,
      )
      const state = this.#current[video] ?? this.#open(video)
      this.#event(state, type, micros)
      state.partition = partitions[row] as number
      state.offset = longAt(offsets.halves, row)
      this.counts.folded++
    }
  }

  #open(video: number): VideoState {
    const id = this.#videos.text(video)
    const known = this.#states.get(id)
    const state =
      known === undefined
        ? {
            counts: [0, 0, 0, 0, 0],
            score: 0,
            velocity: 0,
            firstMicros: Number.MAX_SAFE_INTEGER,
            lastMicros: -1,
            partition: -1,
            offset: -1,
          }
        : { ...known, counts: [...known.counts] }
    this.#states.set(id, state)
    this.#current[video] = state
    return state
  }

  /** What there is fades to the time of the newest event, and so does what an older event adds. */
  #event(state: VideoState, type: number, micros: number): void {
    const { weights, scoreHalfLifeMs, velocityHalfLifeMs } = this.#settings
    const weight = weights[type] as number
    state.counts[type] = (state.counts[type] as number) + 1
    if (micros < state.firstMicros) state.firstMicros = micros
    if (micros >= state.lastMicros) {
      const ms = state.lastMicros < 0 ? 0 : (micros - state.lastMicros) / 1000
      state.score = state.score * exp2(-ms / scoreHalfLifeMs) + weight
      state.velocity = state.velocity * exp2(-ms / velocityHalfLifeMs) + weight
      state.lastMicros = micros
    } else {
      const ms = (state.lastMicros - micros) / 1000
      state.score += weight * exp2(-ms / scoreHalfLifeMs)
      state.velocity += weight * exp2(-ms / velocityHalfLifeMs)
    }
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
