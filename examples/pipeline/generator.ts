/**
 * Events of users who watch videos, with all that goes wrong on the way: late and repeated ones, broken ones, bodies that
 * change their shape. A seed and the times that it is given decide every byte.
 */
import type { SinkRecord } from './event-sink.ts'
import { EVENT_TYPES, Payloads, SCHEMA_VERSIONS } from './payloads.ts'
import { Popularity } from './popularity.ts'
import { Random } from './random.ts'

export interface GeneratorOptions {
  readonly seed: number
  readonly videos: number
  readonly users: number
  /** Shares of all events, of 0 to 1: from minutes to days late; sent once more; broken. */
  readonly lateShare: number
  readonly duplicateShare: number
  readonly malformedShare: number
  /** A video goes viral each so many milliseconds of the events' time, for so long; 0 for never. */
  readonly viralEveryMs: number
  readonly viralForMs: number
  readonly viralShare: number
  /** Events after which most programs send the next schema version. */
  readonly eventsPerVersion: number
}

export const GENERATOR_DEFAULTS: GeneratorOptions = {
  seed: 1,
  videos: 1000,
  users: 10_000,
  lateShare: 0.02,
  duplicateShare: 0.01,
  malformedShare: 0.005,
  viralEveryMs: 8000,
  viralForMs: 15_000,
  viralShare: 0.2,
  eventsPerVersion: 50_000,
}

export interface GeneratorCounts {
  events: number
  late: number
  duplicates: number
  malformed: number
  /** Of values. */
  bytes: number
}

/** Out of 100: most events are views. */
const TYPE_OF_PERCENT = Uint8Array.from({ length: 100 }, (_, i) =>
  i < 70 ? 0 : i < 82 ? 1 : i < 86 ? 2 : i < 92 ? 3 : 4,
)
/** Events that can be sent once more. */
const REMEMBERED = 1024
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const HEX = Array.from({ length: 0x10000 }, (_, i) => i.toString(16).padStart(4, '0'))

export class EventGenerator {
  readonly counts: GeneratorCounts = { events: 0, late: 0, duplicates: 0, malformed: 0, bytes: 0 }
  readonly #options: GeneratorOptions
  readonly #random: Random
  readonly #payloads: Payloads
  readonly #popularity: Popularity
  readonly #videoIds: readonly string[]
  readonly #keys: readonly Uint8Array[]
  readonly #userIds: readonly string[]
  /** The last events that were well formed, in a ring. */
  readonly #sent: SinkRecord[] = []
  #timeMs = Number.NaN
  #timeText = ''

  constructor(options: Partial<GeneratorOptions> = {}) {
    this.#options = { ...GENERATOR_DEFAULTS, ...options }
    const { seed, videos, users } = this.#options
    this.#random = new Random(seed)
    this.#payloads = new Payloads(this.#random)
    this.#popularity = new Popularity(this.#options, this.#random)
    this.#videoIds = Array.from({ length: videos }, (_, i) => `v${String(i).padStart(6, '0')}`)
    this.#keys = this.#videoIds.map((id) => Buffer.from(id))
    this.#userIds = Array.from({ length: users }, (_, i) => `u${String(i).padStart(6, '0')}`)
  }

  /** Names of the videos that are viral. */
  get viral(): readonly string[] {
    return this.#popularity.viral.map((video) => this.#videoIds[video] as string)
  }

  /** Events that are sent at a time, in milliseconds since the epoch. Times do not go back. */
  take(count: number, nowMs: number): SinkRecord[] {
    const records = new Array<SinkRecord>(count)
    for (let i = 0; i < count; i++) records[i] = this.#next(nowMs)
    return records
  }

  #next(nowMs: number): SinkRecord {
    const { duplicateShare, malformedShare } = this.#options
    const { counts } = this
    const chance = this.#random.unit()
    let record: SinkRecord
    if (chance < duplicateShare && this.#sent.length > 0) {
      const { key, value } = this.#sent[this.#random.below(this.#sent.length)] as SinkRecord
      record = { key, value, timestampMs: nowMs }
      counts.duplicates++
    } else if (chance > 1 - malformedShare) {
      record = this.#malformed(nowMs)
      counts.malformed++
    } else {
      record = this.#event(nowMs)
      this.#sent[
        counts.events % REMEMBERED < this.#sent.length
          ? counts.events % REMEMBERED
          : this.#sent.length
      ] = record
    }
    counts.events++
    counts.bytes += record.value?.length ?? 0
    return record
  }

  #event(nowMs: number): SinkRecord {
    const random = this.#random
    const video = this.#popularity.next(nowMs)
    const type = TYPE_OF_PERCENT[random.below(100)] as number
    const version = this.#version()
    const timeMs = this.#eventTime(nowMs)
    // Old programs write milliseconds.
    const time = version === 1 ? String(timeMs) : `"${this.#iso(timeMs)}"`
    const text = `{"event_id":"${this.#eventId()}","event_type":"${EVENT_TYPES[type]}","video_id":"${this.#videoIds[video]}","user_id":"${this.#userIds[random.below(this.#userIds.length)]}","event_time":${time},"schema_version":${version},"payload":${this.#payloads.text(type, version, random)}}`
    return { key: this.#keys[video] as Uint8Array, value: Buffer.from(text), timestampMs: nowMs }
  }

  /** Programs are updated bit by bit: a third of them is one version behind, some are ahead. */
  #version(): number {
    const newest = 1 + Math.floor(this.counts.events / this.#options.eventsPerVersion)
    const chance = this.#random.unit()
    const version = chance < 0.3 ? newest - 1 : chance < 0.95 ? newest : newest + 1
    return Math.max(1, Math.min(SCHEMA_VERSIONS, version))
  }

  #eventTime(nowMs: number): number {
    const random = this.#random
    if (random.unit() >= this.#options.lateShare) return nowMs - random.below(1500)
    this.counts.late++
    const chance = random.unit()
    const mostMs = chance < 0.8 ? 30 * MINUTE_MS : chance < 0.98 ? DAY_MS / 4 : 3 * DAY_MS
    return nowMs - MINUTE_MS - random.below(mostMs)
  }

  /** Shaped as a UUID of version 4. */
  #eventId(): string {
    const [a, b, c, d] = [
      this.#random.word(),
      this.#random.word(),
      this.#random.word(),
      this.#random.word(),
    ]
    const version = HEX[0x4000 | (b & 0xfff)] as string
    const variant = HEX[0x8000 | (c & 0x3fff)] as string
    return `${HEX[a >>> 16]}${HEX[a & 0xffff]}-${HEX[b >>> 16]}-${version}-${variant}-${HEX[c >>> 16]}${HEX[d >>> 16]}${HEX[d & 0xffff]}`
  }

  #iso(ms: number): string {
    // Many events have the same second: the text of the last one is kept.
    const second = ms - (ms % 1000)
    if (second !== this.#timeMs) {
      this.#timeMs = second
      this.#timeText = new Date(second).toISOString().slice(0, 20)
    }
    return `${this.#timeText}${String(ms % 1000).padStart(3, '0')}Z`
  }

  #malformed(nowMs: number): SinkRecord {
    const random = this.#random
    const { key, value } = this.#event(nowMs)
    const bytes = value as Buffer
    const record = (text: string, to = key): SinkRecord => ({
      key: to,
      value: Buffer.from(text),
      timestampMs: nowMs,
    })
    const text = bytes.toString()
    switch (random.below(9)) {
      case 0:
        return { key, value: bytes.subarray(0, random.below(bytes.length)), timestampMs: nowMs }
      case 1:
        return record(text.replace(/"event_id":"[^"]*"/, `"event_id":${random.below(1e9)}`))
      case 2:
        return record(text.replace(/"event_time":[^,]*/, '"event_time":"yesterday"'))
      case 3:
        return record(text.replace(/"video_id":"[^"]*",/, ''))
      case 4:
        return record(text.replace(/"event_time":[^,]*,/, '').replace(/"user_id":"[^"]*",/, ''))
      case 5:
        return record(text, null)
      case 6:
        return { key, value: null, timestampMs: nowMs }
      case 7: {
        const noise = Buffer.from(bytes)
        noise[random.below(noise.length)] = 0xff
        return { key, value: noise, timestampMs: nowMs }
      }
      default:
        return record(`<event>${random.word()}</event>`)
    }
  }
}
