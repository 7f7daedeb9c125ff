/** A source in memory whose records, ends and failures a test decides. */
import { FloeError } from '../../src/core/errors.ts'
import { type PartitionOffset, Position } from '../../src/stream/position.ts'
import { type RecordChunk, RecordChunkBuilder, sliceChunk } from '../../src/stream/record-chunk.ts'
import type {
  PartitionSharing,
  SourceOpenOptions,
  SourceReader,
  StreamSource,
} from '../../src/stream/source.ts'
import { checkTopicIds } from '../../src/stream/topic-ids.ts'

export interface TestRecord {
  readonly key?: string | null
  readonly value: string | null
  readonly timestampMs?: number
}

export class MemorySource implements StreamSource {
  readonly name = 'memory'
  readonly topic: string
  readonly #partitions: TestRecord[][]
  readonly committed: string[] = []
  /** Chunks of at most so many records. */
  chunkRows = 1000
  /** Thrown by the read that reaches this offset of partition 0. */
  failAt: { readonly offset: number; readonly error: Error } | undefined
  /** Offsets before were removed. */
  readonly firstOffsets: number[]
  opens = 0
  /** Undefined: the source tells none. */
  topicId: string | undefined = 'first'
  /** So many reads give nothing, a second each as the reader is told. */
  silentReads = 0
  /** Readers are members of a group, to which `share` gives partitions; the first one has all. */
  readonly members: Member[] | undefined
  /** Readers tell where partitions begin that others read. */
  tellsPartitions = true
  #wake: (() => void)[] = []

  constructor(partitions: number, topic = 'events', kind: 'alone' | 'group' = 'alone') {
    this.topic = topic
    this.members = kind === 'group' ? [] : undefined
    this.#partitions = Array.from({ length: partitions }, () => [])
    this.firstOffsets = new Array<number>(partitions).fill(0)
  }

  push(partition: number, ...records: TestRecord[]): void {
    for (const record of records) this.#partitions[partition]?.push(record)
    for (const wake of this.#wake.splice(0)) wake()
  }

  addPartition(): void {
    this.#partitions.push([])
    this.firstOffsets.push(0)
  }

  records(partition: number): readonly TestRecord[] {
    return this.#partitions[partition] as TestRecord[]
  }

  /** Partitions for each member, in the order in which they were opened. */
  share(...shares: (readonly number[])[]): void {
    for (const [i, member] of (this.members ?? []).entries()) member.give(shares[i] ?? [])
    for (const wake of this.#wake.splice(0)) wake()
  }

  /** Deletes the topic and makes it anew. */
  recreate(topicId: string | undefined): void {
    this.topicId = topicId
    for (const records of this.#partitions) records.length = 0
  }

  open(options: SourceOpenOptions): Promise<SourceReader> {
    this.opens++
    checkTopicIds(this.name, options.topicIds, new Map([[this.topic, this.topicId]]))
    const next = this.#partitions.map((records, p) => {
      const at = options.position.get(this.topic, p) ?? (this.firstOffsets[p] as number)
      if (at >= (this.firstOffsets[p] as number) && at <= records.length) return at
      throw new FloeError('OFFSET_OUT_OF_RANGE', `memory ${this.topic}/${p} does not have ${at}`)
    })
    if (this.members === undefined) return Promise.resolve(this.#reader(next))
    const begin = (position: Position): void => {
      for (const p of next.keys()) {
        next[p] = position.get(this.topic, p) ?? (this.firstOffsets[p] as number)
      }
    }
    const member = new Member(begin, this.members.length === 0 ? [...next.keys()] : [])
    this.members.push(member)
    return Promise.resolve(this.#reader(next, member))
  }

  #reader(next: number[], member?: Member): SourceReader {
    const topicIds = new Map([[this.topic, this.topicId]])
    const take = (): RecordChunk[] => {
      checkTopicIds(this.name, topicIds, new Map([[this.topic, this.topicId]]))
      const chunks: RecordChunk[] = []
      for (const [p, records] of this.#partitions.entries()) {
        if (member?.reads(p) === false) continue
        let from = (next[p] ??= this.firstOffsets[p] as number)
        if (from >= records.length) continue
        const fail = p === 0 ? this.failAt : undefined
        if (fail !== undefined && from >= fail.offset) {
          if (chunks.length > 0) continue
          throw fail.error
        }
        const builder = new RecordChunkBuilder(this.topic, p, from)
        const end = Math.min(
          records.length,
          from + this.chunkRows,
          fail?.offset ?? Number.POSITIVE_INFINITY,
        )
        for (; from < end; from++) {
          const { key = null, value, timestampMs = 1_000 + from } = records[from] as TestRecord
          const bytes = (text: string | null): Uint8Array | null =>
            text === null ? null : Buffer.from(text)
          builder.append(from, timestampMs, bytes(key), bytes(value))
        }
        const chunk = builder.finish(from)
        // Two halves, as a source may give them.
        const half = chunk.count >> 1
        if (half > 0) chunks.push(sliceChunk(chunk, 0, half))
        chunks.push(sliceChunk(chunk, half, chunk.count))
        next[p] = from
      }
      return chunks
    }
    const nextOffsets = (): Position =>
      Position.of(
        next.flatMap((offset, partition) =>
          member?.reads(partition) === false ? [] : [{ topic: this.topic, partition, offset }],
        ),
      )
    const partitions = (): PartitionOffset[] =>
      this.firstOffsets.map((offset, partition) => ({ topic: this.topic, partition, offset }))
    return {
      topicIds,
      sharing: member,
      ...(this.tellsPartitions ? { partitions } : {}),
      read: async ({ waitMs, signal }) => {
        if (this.silentReads > 0) {
          this.silentReads--
          await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 1000)))
          return []
        }
        const chunks = take()
        if (chunks.length > 0 || waitMs <= 0) return chunks
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => done(), Math.min(waitMs, 20))
          const done = (): void => {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            resolve()
          }
          this.#wake.push(done)
          signal.addEventListener('abort', done, { once: true })
        })
        return take()
      },
      nextOffsets,
      endOffsets: () =>
        Promise.resolve(
          Position.of(
            this.#partitions.flatMap((r, partition) =>
              member?.reads(partition) === false
                ? []
                : [{ topic: this.topic, partition, offset: r.length }],
            ),
          ),
        ),
      committed: (position) => {
        this.committed.push(position.toText())
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
    }
  }
}

export class Member implements PartitionSharing {
  generation = 1
  /** False: the group has gone on without it, and it was not told. */
  isMember = true
  isJoined = true
  #resumed = 1
  #partitions: readonly number[]
  readonly #begin: (position: Position) => void

  constructor(begin: (position: Position) => void, partitions: readonly number[]) {
    this.#begin = begin
    this.#partitions = partitions
  }

  give(partitions: readonly number[]): void {
    this.#partitions = partitions
    this.isMember = true
    this.isJoined = true
    this.generation++
  }

  reads(partition: number): boolean {
    return this.#resumed === this.generation && this.#partitions.includes(partition)
  }

  resume(generation: number, position: Position): Promise<void> {
    if (generation === this.generation) {
      this.#resumed = generation
      this.#begin(position)
    }
    return Promise.resolve()
  }

  isCurrent(): Promise<boolean> {
    const { isMember } = this
    if (!isMember) {
      this.give([])
      this.isJoined = false
    }
    return Promise.resolve(isMember)
  }
}
