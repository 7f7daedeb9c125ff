/**
 * The tables of a stream and where it is in each of them. As a rule that is the same in all; a table that was set back,
 * or is new to the stream, lags: then batches go to it alone until it has caught up. streaming.md §3.
 */
import { FloeError, isFloeError } from '../core/errors.ts'
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import type { Reach } from './backlog.ts'
import {
  type Beginnings,
  type LedgerState,
  ledgerProperty,
  NO_BEGINNINGS,
  stateAfter,
} from './ledger.ts'
import { type OffsetRange, type PartitionOffset, Position, partitionKey } from './position.ts'
import { readLedger } from './read-ledger.ts'
import type { SourceReader } from './source.ts'
import type { TopicIds } from './topic-ids.ts'

/** Tables that take the same records. */
export interface WriteGroup {
  readonly tables: ReadonlySet<string>
}

export class StreamTables {
  readonly #lake: Lake
  readonly #streamId: string
  readonly #states = new Map<string, LedgerState>()
  /** Groups by their names, so that equal ones are the same. */
  readonly #groups = new Map<string, WriteGroup>()
  #beginnings = NO_BEGINNINGS
  /** Partitions that were warned of. */
  readonly #unclear = new Set<string>()
  /** True while a table may still join that nobody named. */
  #open: boolean

  private constructor(lake: Lake, streamId: string, open: boolean) {
    this.#lake = lake
    this.#streamId = streamId
    this.#open = open
  }

  /**
   * @param tables which ones the stream writes; undefined: those that have its ledger, or, if none has, those that the
   *   first batch writes.
   * @param backfill tables new to the stream that are to be filled from the first record that the source has.
   * @throws NO_SUCH_TABLE, CORRUPT_LEDGER; BAD_ARGUMENT for a table without a ledger beside others that have one, and for
   *   one that was replaced, unless they are to be filled
   */
  static async load(
    lake: Lake,
    streamId: string,
    tables: readonly string[] | undefined,
    backfill: readonly string[],
  ): Promise<StreamTables> {
    const names = tables ?? [...new Set([...(await discover(lake, streamId)), ...backfill])]
    const loaded = new StreamTables(lake, streamId, tables === undefined && names.length === 0)
    for (const name of names) {
      const { metadata, state } = await loaded.#load(name)
      loaded.#states.set(name, state)
      const isReplaced =
        isFresh(state) && metadata.properties[ledgerProperty(streamId)] !== undefined
      if (isReplaced && !backfill.includes(name)) throw replaced(streamId, name)
    }
    const fresh = names.filter((name) => isFresh(loaded.#stateOf(name)))
    const unexpected = fresh.filter((name) => !backfill.includes(name))
    if (fresh.length < names.length && unexpected[0] !== undefined) {
      const [name] = unexpected
      throw new FloeError(
        'BAD_ARGUMENT',
        `The stream "${streamId}" has written other tables, and ${name} has none of its records: it is new to the stream, or was dropped and made anew. Name it in backfill to fill it from the first record that the source has`,
        { context: { stream: streamId, table: name } },
      )
    }
    return loaded
  }

  /**
   * Reads anew where the stream is, which other runners may have moved.
   * @throws STREAM_CONFLICT for a table that has lost its records of the stream: it would be filled from the first record
   *   that the source still has
   * @returns keys of the partitions that are elsewhere now in some table.
   */
  async reload(): Promise<ReadonlySet<string>> {
    const found: [name: string, state: LedgerState][] = []
    for (const name of this.names) found.push([name, await this.#read(name)])
    const moved = new Set<string>()
    for (const [name, state] of found) {
      const known = this.#stateOf(name)
      const [before, now] = [known.position, state.position]
      if (!isFresh(known) && isFresh(state)) throw streamConflict(this.#streamId, name, before, now)
      for (const at of [...before.entries(), ...now.entries()]) {
        const { topic, partition } = at
        if (before.get(topic, partition) !== now.get(topic, partition)) moved.add(partitionKey(at))
      }
      this.#states.set(name, state)
    }
    return moved
  }

  /**
   * Takes in where the reader's partitions begin, for those that a table has no place of. Goes before the first read from
   * the position. Where partitions of other readers begin is theirs to say: they may have begun before.
   * @throws OFFSET_OUT_OF_RANGE where records are missing
   */
  begin(reader: SourceReader): void {
    const starts = reader.nextOffsets()
    const all = reader.partitions?.() ?? []
    const isNamed = ({ topic, partition }: { topic: string; partition: number }): boolean =>
      starts.get(topic, partition) !== undefined ||
      [...this.#states.values()].every((s) => s.position.get(topic, partition) !== undefined)
    const unnamed = new Set(all.filter((at) => !isNamed(at)).map(({ topic }) => topic))
    const topics = all.map(({ topic }) => topic)
    this.#beginnings = { starts, whole: new Set(topics.filter((topic) => !unnamed.has(topic))) }
    for (const at of starts.entries()) this.checkBeginning(at)
  }

  /** Where partitions begin that a table has no place of. */
  get beginnings(): Beginnings {
    return this.#beginnings
  }

  /**
   * Looks at where a partition is read from, if a table has no place of it: one that was added to a topic begins at 0.
   * @throws OFFSET_OUT_OF_RANGE
   */
  checkBeginning({ topic, partition, offset }: PartitionOffset): void {
    if (offset === 0) return
    for (const [table, { position, whole }] of this.#states) {
      if (!whole.has(topic) || position.get(topic, partition) !== undefined) continue
      throw new FloeError(
        'OFFSET_OUT_OF_RANGE',
        `Cannot begin to read ${topic}/${partition} at offset ${offset}: the stream "${this.#streamId}" has read other partitions of the topic into ${table}, and this one, which was added to it, has lost its records from 0 on. Nothing is skipped. Once it is decided what to do without them, moveStream with newPartitions has the stream begin at ${offset}`,
        { context: { topic, partition, offset: 0, firstOffset: offset } },
      )
    }
  }

  /**
   * A warning of partitions of which it cannot be told whether records are missing before they begin, once for each.
   * Ledgers of earlier versions do not tell those that were seen empty from those that were not there.
   */
  unclear(starts: Iterable<PartitionOffset>): FloeError | undefined {
    const unclear = [...starts].filter(
      ({ topic, partition, offset }) =>
        offset > 0 &&
        !this.#unclear.has(partitionKey({ topic, partition })) &&
        [...this.#states.values()].some(
          ({ position, whole }) =>
            position.hasTopic(topic) &&
            !whole.has(topic) &&
            position.get(topic, partition) === undefined,
        ),
    )
    if (unclear.length === 0) return undefined
    for (const at of unclear) this.#unclear.add(partitionKey(at))
    return new FloeError(
      'OFFSET_OUT_OF_RANGE',
      `The stream "${this.#streamId}" begins to read ${Position.of(unclear).toText().slice(0, 500)}, and its tables do not say whether it has seen these partitions before, which an earlier version of floe kept to itself: if their first records were lost since, they are skipped. From the next commit on its tables say it`,
      { context: { stream: this.#streamId } },
    )
  }

  get names(): readonly string[] {
    return [...this.#states.keys()]
  }

  has(table: string): boolean {
    return this.#states.has(table)
  }

  /** Takes in a table that the first batch writes. @throws BAD_ARGUMENT once the stream has its tables */
  async join(table: string): Promise<void> {
    if (!this.#open) {
      throw new FloeError(
        'BAD_ARGUMENT',
        `The stream "${this.#streamId}" does not write ${table}: its tables are ${this.names.join(', ')}. Name all of them in the option tables`,
        { context: { stream: this.#streamId, table } },
      )
    }
    this.#states.set(table, await this.#read(table))
    this.#groups.clear()
  }

  /** Where to read on: for each partition the least offset that some table needs; partitions that one lacks are left out. */
  get position(): Position {
    const states = [...this.#states.values()]
    const [first, ...others] = states
    if (first === undefined) return Position.EMPTY
    const least: PartitionOffset[] = []
    for (const { topic, partition, offset } of first.position.entries()) {
      const all = others.map((s) => s.position.get(topic, partition))
      if (all.some((o) => o === undefined)) continue
      least.push({ topic, partition, offset: Math.min(offset, ...(all as number[])) })
    }
    return Position.of(least)
  }

  /** Which topics that is of. Tables that disagree are found out where a batch is committed to them. */
  get topicIds(): TopicIds {
    return new Map([...this.#states.values()].flatMap(({ topicIds }) => [...topicIds]))
  }

  /** Tables that need a partition's records from an offset on, and the offset at which another one joins them. */
  reach(topic: string, partition: number, offset: number): Reach<WriteGroup> {
    const tables: string[] = []
    let end = Number.POSITIVE_INFINITY
    for (const [name, { position }] of this.#states) {
      const at = position.get(topic, partition)
      if (at === undefined || at <= offset) tables.push(name)
      else end = Math.min(end, at)
    }
    const key = tables.join('\n')
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = { tables: new Set(tables) }))
    return { group, tables: tables.length, end }
  }

  /** What the ledger of a table has to be where a batch is committed. */
  expected(table: string): LedgerState {
    return this.#stateOf(table)
  }

  /** The batch is in the tables. */
  advance(tables: Iterable<string>, ranges: readonly OffsetRange[], topicIds: TopicIds): void {
    for (const table of tables) {
      this.#states.set(table, stateAfter(this.#stateOf(table), ranges, topicIds, this.#beginnings))
    }
    this.#open = false
  }

  /**
   * After a commit whose outcome is not known: true if the tables have the batch, false if none has.
   * @throws STREAM_CONFLICT if they are somewhere else
   */
  async hasBatch(tables: Iterable<string>, ranges: readonly OffsetRange[]): Promise<boolean> {
    const found = new Set<boolean>()
    for (const table of tables) {
      const now = (await this.#read(table)).position
      const before = this.#stateOf(table).position
      if (ranges.every((r) => now.get(r.topic, r.partition) === r.end)) found.add(true)
      else if (
        ranges.every((r) => {
          const at = now.get(r.topic, r.partition)
          // Another runner may have named where the partition begins.
          return at === before.get(r.topic, r.partition) || at === r.start
        })
      )
        found.add(false)
      else throw streamConflict(this.#streamId, table, before, now)
    }
    if (found.size === 1) return found.has(true)
    throw new FloeError(
      'STREAM_CONFLICT',
      `The stream "${this.#streamId}" cannot go on: some of its tables have the last batch and others do not. Start it again: those that lag catch up`,
      { context: { stream: this.#streamId } },
    )
  }

  #stateOf(table: string): LedgerState {
    return this.#states.get(table) as LedgerState
  }

  async #load(table: string): Promise<{ metadata: TableMetadata; state: LedgerState }> {
    const { metadata } = await this.#lake.table(table)
    return { metadata, state: readLedger(metadata, this.#streamId, table) }
  }

  async #read(table: string): Promise<LedgerState> {
    return (await this.#load(table)).state
  }
}

/** True for a table that knows nothing of the stream. One that was set back to before it knows where it begins. */
function isFresh({ seq, position }: LedgerState): boolean {
  return seq === 0 && position.size === 0
}

/**
 * Tables that have the ledger of a stream.
 * @throws what a table of the lake cannot be read for: it may be one of the stream
 */
export async function discover(lake: Lake, streamId: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await lake.listTables()) {
    try {
      const { metadata } = await lake.table(name)
      if (metadata.properties[ledgerProperty(streamId)] !== undefined) found.push(name)
    } catch (error) {
      // Dropped since it was listed.
      if (!isFloeError(error, 'NO_SUCH_TABLE')) throw undiscovered(streamId, name, error)
    }
  }
  return found
}

/** What is the matter with one table may be no matter of the stream's: only the caller knows. */
function undiscovered(streamId: string, table: string, error: unknown): unknown {
  if (!isFloeError(error)) return error
  const why = error.message.replace(/ \[[A-Z_]+\]$/, '')
  return new FloeError(
    error.code,
    `Cannot tell whether the table ${table} is one of the stream "${streamId}": ${why}. Without the option tables every table of the lake is looked at: name those of the stream in it, and others do not matter`,
    {
      context: { ...error.context, stream: streamId, table },
      cause: error,
      retryable: error.retryable,
    },
  )
}

/** Engines keep the properties of a table that they replace, and may have put its rows into the new one. */
function replaced(streamId: string, table: string): FloeError {
  return new FloeError(
    'BAD_ARGUMENT',
    `The table ${table} was replaced since the stream "${streamId}" wrote it: it has none of its commits, and nothing tells whether it has their rows. If it has none of them, name it in backfill to fill it from the first record that the source has; if it has, let a table by another name begin anew`,
    { context: { stream: streamId, table } },
  )
}

/** Another one has moved the stream. */
export function streamConflict(
  streamId: string,
  table: string,
  expected: Position,
  found: Position,
): FloeError {
  return new FloeError(
    'STREAM_CONFLICT',
    `The stream "${streamId}" has lost its place: ${table} is at ${found.toText() || 'the start'}, and this runner left it at ${expected.toText() || 'the start'}. Another runner with this id is at work, or the table was set back or made anew. Nothing of this batch was committed. End the other runner, or give this one another id; a new start goes on from the tables`,
    { context: { stream: streamId, table } },
  )
}
