/** Positions in a source and ranges of offsets, with the texts that snapshots and table properties keep of them. */
import { sha256Hex } from '../core/digest.ts'
import { FloeError } from '../core/errors.ts'

/** Offsets of a partition from `start` on, before `end`. */
export interface OffsetRange {
  readonly topic: string
  readonly partition: number
  readonly start: number
  readonly end: number
}

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Tells partitions of all topics apart: a map key. */
export function partitionKey({ topic, partition }: Omit<PartitionOffset, 'offset'>): string {
  return `${topic}\n${partition}`
}

/** For each partition the offset that is read next. Never changes: what changes it gives another. */
export class Position {
  static readonly EMPTY: Position = new Position(new Map())
  /** By topic, then by partition. */
  readonly #offsets: ReadonlyMap<string, ReadonlyMap<number, number>>

  private constructor(offsets: ReadonlyMap<string, ReadonlyMap<number, number>>) {
    this.#offsets = offsets
  }

  static of(offsets: Iterable<PartitionOffset>): Position {
    const byTopic = new Map<string, Map<number, number>>()
    for (const { topic, partition, offset } of offsets) {
      let partitions = byTopic.get(topic)
      if (partitions === undefined) byTopic.set(topic, (partitions = new Map()))
      partitions.set(partition, offset)
    }
    return new Position(byTopic)
  }

  get(topic: string, partition: number): number | undefined {
    return this.#offsets.get(topic)?.get(partition)
  }

  /** True if some partition of the topic has an offset. */
  hasTopic(topic: string): boolean {
    return this.#offsets.has(topic)
  }

  get size(): number {
    let size = 0
    for (const partitions of this.#offsets.values()) size += partitions.size
    return size
  }

  /** By topic and partition. */
  *entries(): Generator<PartitionOffset, void, undefined> {
    for (const topic of [...this.#offsets.keys()].sort()) {
      const partitions = this.#offsets.get(topic) as ReadonlyMap<number, number>
      for (const partition of [...partitions.keys()].sort((a, b) => a - b)) {
        yield { topic, partition, offset: partitions.get(partition) as number }
      }
    }
  }

  /** The position after the ranges: their partitions are read on from their ends. */
  after(ranges: Iterable<OffsetRange>): Position {
    const ends = [...ranges].map(({ topic, partition, end }) => ({ topic, partition, offset: end }))
    return this.and(ends)
  }

  /** The position before the ranges: their partitions are read again from their starts. */
  before(ranges: Iterable<OffsetRange>): Position {
    return this.after([...ranges].map((range) => ({ ...range, end: range.start })))
  }

  /** The position with these places besides; they count where it has others. */
  and(places: Iterable<PartitionOffset>): Position {
    return Position.of([...this.entries(), ...places])
  }

  /** The position without any partition of these topics. */
  without(topics: readonly string[]): Position {
    return Position.of([...this.entries()].filter(({ topic }) => !topics.includes(topic)))
  }

  equals(other: Position): boolean {
    return this.toText() === other.toText()
  }

  /** `topic:partition:offset` for each partition, with commas between; see {@link fromText}. */
  toText(): string {
    return [...this.entries()]
      .map(({ topic, partition, offset }) => `${topicText(topic)}:${partition}:${offset}`)
      .join(',')
  }

  /** Tells positions apart in few characters: SHA-256 of the text, in hexadecimal. */
  digest(): string {
    return sha256Hex(this.toText())
  }

  /** @throws CORRUPT_LEDGER */
  static fromText(text: string): Position {
    if (text === '') return Position.EMPTY
    return Position.of(
      text.split(',').map((item) => {
        const match = /^([^:,]+):(\d{1,10}):(\d{1,16})$/.exec(item)
        const offset = Number(match?.[3])
        if (match === null || !Number.isSafeInteger(offset)) throw corrupt(text, item)
        return { topic: topicOf(match[1] as string, text), partition: Number(match[2]), offset }
      }),
    )
  }
}

/** What a stream passes over that goes on from another position: all before it, of partitions that were not read at all. */
export function skippedBetween(from: Position, to: Position): OffsetRange[] {
  const skipped: OffsetRange[] = []
  for (const { topic, partition, offset: end } of to.entries()) {
    const start = from.get(topic, partition) ?? 0
    if (start < end) skipped.push({ topic, partition, start, end })
  }
  return skipped
}

/** `topic:partition:start-end` for each range, with commas between. */
export function rangesToText(ranges: readonly OffsetRange[]): string {
  return ranges.map((r) => `${topicText(r.topic)}:${r.partition}:${r.start}-${r.end}`).join(',')
}

/** @throws CORRUPT_LEDGER */
export function rangesFromText(text: string): OffsetRange[] {
  if (text === '') return []
  return text.split(',').map((item) => {
    const match = /^([^:,]+):(\d{1,10}):(\d{1,16})-(\d{1,16})$/.exec(item)
    const [start, end] = [Number(match?.[3]), Number(match?.[4])]
    if (
      match === null ||
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(end) ||
      end < start
    ) {
      throw corrupt(text, item)
    }
    return { topic: topicOf(match[1] as string, text), partition: Number(match[2]), start, end }
  })
}

/** Names of topics are plain in Kafka; other sources may use what separates the parts here. */
function topicText(topic: string): string {
  return encodeURIComponent(topic)
}

function topicOf(text: string, whole: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw corrupt(whole, text)
  }
}

function corrupt(text: string, item: string): FloeError {
  return new FloeError(
    'CORRUPT_LEDGER',
    `Cannot read the offsets ${JSON.stringify(text.slice(0, 200))} of a stream: ${JSON.stringify(item.slice(0, 80))} is none. Another program has changed them`,
  )
}
