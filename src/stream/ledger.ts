/**
 * The ledger of a stream in a table: what a snapshot took in, in its summary, and where the stream is, in a property that
 * the same commit sets. Summaries go when snapshots expire, a property does not go back with the table: together they
 * tell the position after both. streaming.md §1.
 */
import { FloeError } from '../core/errors.ts'
import {
  asArray,
  asObject,
  asSafeLong,
  asString,
  type JsonObject,
  parseJson,
  stringifyJson,
} from '../core/json.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import type { MetadataUpdate } from '../iceberg/spec/updates.ts'
import {
  type OffsetRange,
  type PartitionOffset,
  Position,
  rangesFromText,
  rangesToText,
} from './position.ts'
import { NO_TOPIC_IDS, type TopicIds } from './topic-ids.ts'

/** Keys in summaries of snapshots. */
export const LedgerKey = {
  ID: 'floe.stream.id',
  RANGES: 'floe.stream.ranges',
  /** Where partitions begin that no snapshot before it names; absent without any, and in those of earlier versions. */
  STARTS: 'floe.stream.starts',
  /** Ranges of snapshots that were set back, whose rows others had picked into the table since the commit before. */
  PICKED: 'floe.stream.picked',
  /** SHA-256 of the position after the commit. */
  VECTOR: 'floe.stream.vector',
  /** One more with each commit of the stream to the table. */
  SEQ: 'floe.stream.seq',
  /** The greatest time of a record that was taken in. */
  MAX_EVENT_MS: 'floe.stream.max-event-ms',
  /** When the batch was closed. */
  INGEST_MS: 'floe.stream.ingest-ms',
  /** Of a commit that took nothing in and set the stream to another position: the state before it … */
  MOVED_FROM: 'floe.stream.moved-from',
  /** … and the position after it. */
  MOVED_TO: 'floe.stream.moved-to',
} as const

export interface LedgerState {
  readonly position: Position
  /** Of the topics of the position, as far as they were told when they were read. */
  readonly topicIds: ReadonlyMap<string, string>
  /**
   * Topics of which the position has every partition that there was: one that it lacks was added later, and begins at 0.
   * Not those that were read by earlier versions alone, which kept no place of partitions without records.
   */
  readonly whole: ReadonlySet<string>
  /** Of the last commit of the stream; 0 before the first. */
  readonly seq: number
  /** Where partitions of the position begin that no snapshot of the history names: the next one does. */
  readonly unnamed: Position
  /** What others have picked into the table since the last commit, in order; the position is after it. */
  readonly picked: readonly OffsetRange[]
}

const NO_TOPICS: ReadonlySet<string> = new Set()

/** Of a stream that has written nothing. */
export const NEW_LEDGER: LedgerState = {
  position: Position.EMPTY,
  topicIds: NO_TOPIC_IDS,
  whole: NO_TOPICS,
  seq: 0,
  unnamed: Position.EMPTY,
  picked: [],
}

/** Where partitions begin, as a reader has found them: those that a table has no place of are read from there. */
export interface Beginnings {
  readonly starts: Position
  /** Topics of which that is every partition, also those that other readers have. */
  readonly whole: ReadonlySet<string>
}

export const NO_BEGINNINGS: Beginnings = { starts: Position.EMPTY, whole: NO_TOPICS }

export function ledgerProperty(streamId: string): string {
  return `floe.stream.${streamId}.offsets`
}

/** The property of a table, and the commit that set it. */
export interface LedgerProperty extends LedgerState {
  readonly snapshotId: bigint
  readonly sequenceNumber: number
}

/** The state after a batch. @param topicIds of the topics that were read. */
export function stateAfter(
  before: LedgerState,
  ranges: readonly OffsetRange[],
  topicIds: TopicIds,
  beginnings: Beginnings,
): LedgerState {
  const starts = startsOf(before, ranges, beginnings)
  const position = before.position.and(starts).after(ranges)
  return {
    position,
    topicIds: idsOf(position, [...before.topicIds, ...topicIds]),
    whole: topicsOf(position, [...before.whole, ...beginnings.whole]),
    seq: before.seq + 1,
    unnamed: Position.EMPTY,
    picked: [],
  }
}

/** Where partitions begin that a batch is the first to name. */
function startsOf(
  before: LedgerState,
  ranges: readonly OffsetRange[],
  { starts }: Beginnings,
): PartitionOffset[] {
  return [...starts.before(ranges).entries()].filter(
    ({ topic, partition }) => before.position.get(topic, partition) === undefined,
  )
}

/** Those that the position has a partition of. */
export function topicsOf(position: Position, topics: Iterable<string>): ReadonlySet<string> {
  return new Set([...topics].filter((topic) => position.hasTopic(topic)))
}

/** Those that are known of topics of the position; of several of one topic the last. */
export function idsOf(
  position: Position,
  ids: Iterable<readonly [topic: string, id: string | undefined]>,
): ReadonlyMap<string, string> {
  const known = new Map<string, string>()
  for (const [topic, id] of ids) {
    if (id !== undefined && position.hasTopic(topic)) known.set(topic, id)
  }
  return known
}

/** What a move does. */
export interface Move {
  readonly to: Position
  /** Topics that begin anew: their partitions and their ids are forgotten before. */
  readonly restarted: readonly string[]
}

/** The state after a move. */
function stateMoved(before: LedgerState, { to, restarted }: Move): LedgerState {
  const kept = [...before.topicIds].filter(([topic]) => !restarted.includes(topic))
  return {
    position: to,
    topicIds: idsOf(to, kept),
    whole: topicsOf(
      to,
      [...before.whole].filter((topic) => !restarted.includes(topic)),
    ),
    seq: before.seq + 1,
    unnamed: Position.EMPTY,
    picked: [],
  }
}

/** The snapshot that a commit makes. */
interface NewSnapshot {
  readonly snapshotId: bigint
  readonly sequenceNumber: number
}

interface LedgerAdditions {
  readonly summary: Record<string, string>
  readonly updates: MetadataUpdate[]
}

/** What a batch writes into the ledger of a table in an attempt, and the snapshot that it makes. */
export function ledgerAdditions(
  streamId: string,
  before: LedgerState,
  batch: NewSnapshot & {
    readonly ranges: readonly OffsetRange[]
    /** Of the topics that were read. */
    readonly topicIds: TopicIds
    readonly beginnings: Beginnings
    readonly maxEventMs: number
    readonly ingestMs: number
  },
): LedgerAdditions {
  const { ranges, topicIds, beginnings } = batch
  const after = stateAfter(before, ranges, topicIds, beginnings)
  const starts = startsOf(before, ranges, beginnings)
  return additions(streamId, after, batch, {
    [LedgerKey.RANGES]: rangesToText(ranges),
    ...leftOver(before, starts),
    [LedgerKey.MAX_EVENT_MS]: String(batch.maxEventMs),
    [LedgerKey.INGEST_MS]: String(batch.ingestMs),
  })
}

/** The same for a move, which takes nothing in. */
export function moveAdditions(
  streamId: string,
  before: LedgerState,
  move: Move,
  snapshot: NewSnapshot,
): LedgerAdditions {
  const from = placeToJson(before)
  if (move.restarted.length > 0) from['restarted'] = [...move.restarted]
  return additions(streamId, stateMoved(before, move), snapshot, {
    [LedgerKey.RANGES]: '',
    ...leftOver(before, []),
    [LedgerKey.MOVED_FROM]: stringifyJson(from),
    [LedgerKey.MOVED_TO]: move.to.toText(),
  })
}

/** What snapshots have not said yet of the state that one builds on, and partitions that begin with it. */
function leftOver(
  { unnamed, picked }: LedgerState,
  begun: readonly PartitionOffset[],
): Record<string, string> {
  const starts = unnamed.and(begun).toText()
  return {
    ...(starts === '' ? {} : { [LedgerKey.STARTS]: starts }),
    ...(picked.length === 0 ? {} : { [LedgerKey.PICKED]: rangesToText(picked) }),
  }
}

function additions(
  streamId: string,
  after: LedgerState,
  { snapshotId, sequenceNumber }: NewSnapshot,
  summary: Readonly<Record<string, string>>,
): LedgerAdditions {
  const value = stringifyJson({
    ...placeToJson(after),
    seq: after.seq,
    'snapshot-id': String(snapshotId),
    'sequence-number': sequenceNumber,
  })
  return {
    summary: {
      [LedgerKey.ID]: streamId,
      ...summary,
      [LedgerKey.VECTOR]: after.position.digest(),
      [LedgerKey.SEQ]: String(after.seq),
    },
    updates: [{ action: 'set-properties', updates: { [ledgerProperty(streamId)]: value } }],
  }
}

/** A position and the topics that it is of. */
export type Place = Pick<LedgerState, 'position' | 'topicIds' | 'whole'>

function placeToJson({ position, topicIds, whole }: Place): JsonObject {
  return {
    vector: position.toText(),
    ...(whole.size === 0 ? {} : { 'whole-topics': [...whole] }),
    ...(topicIds.size === 0 ? {} : { 'topic-ids': Object.fromEntries(topicIds) }),
  }
}

function placeFromJson(o: JsonObject): Place {
  return {
    position: Position.fromText(asString(o['vector'], 'vector')),
    // Tables that were written before there were ids, or from a source that tells none, have none.
    topicIds: new Map(
      Object.entries(asObject(o['topic-ids'] ?? {}, 'topic-ids')).map(([topic, id]) => [
        topic,
        asString(id, 'topic-ids'),
      ]),
    ),
    whole: new Set(
      asArray(o['whole-topics'] ?? [], 'whole-topics').map((t) => asString(t, 'whole-topics')),
    ),
  }
}

/** @throws CORRUPT_LEDGER */
export function rangesOf(snapshot: Snapshot): OffsetRange[] {
  return rangesFromText(snapshot.summary[LedgerKey.RANGES] ?? '')
}

/** Where partitions begin that the snapshot is the first to name. @throws CORRUPT_LEDGER */
export function startsNamedBy(snapshot: Snapshot): Position {
  return Position.fromText(snapshot.summary[LedgerKey.STARTS] ?? '')
}

/** What the snapshot found picked into the table, in order. @throws CORRUPT_LEDGER */
export function pickedBefore(snapshot: Snapshot): OffsetRange[] {
  return rangesFromText(snapshot.summary[LedgerKey.PICKED] ?? '')
}

/** What a move did, from where; undefined for a snapshot that took ranges in. @throws CORRUPT_LEDGER */
export function movedBy(snapshot: Snapshot): (Move & { readonly from: Place }) | undefined {
  const from = snapshot.summary[LedgerKey.MOVED_FROM]
  if (from === undefined) return undefined
  try {
    const o = asObject(parseJson(from, 'the move', 4), 'the move')
    return {
      from: placeFromJson(o),
      to: Position.fromText(snapshot.summary[LedgerKey.MOVED_TO] ?? ''),
      restarted: asArray(o['restarted'] ?? [], 'restarted').map((t) => asString(t, 'restarted')),
    }
  } catch (cause) {
    throw new FloeError(
      'CORRUPT_LEDGER',
      `Cannot read what the snapshot ${snapshot.snapshotId} did to the position of a stream: ${from.slice(0, 200)}. Another program has changed it`,
      { cause },
    )
  }
}

export function seqOf(snapshot: Snapshot): number {
  return Number(snapshot.summary[LedgerKey.SEQ])
}

/** @throws CORRUPT_LEDGER */
export function parseProperty(text: string, table: string, streamId: string): LedgerProperty {
  try {
    const o = asObject(parseJson(text, 'the offsets', 4), 'the offsets')
    return {
      ...placeFromJson(o),
      unnamed: Position.EMPTY,
      picked: [],
      seq: asSafeLong(o['seq'], 'seq'),
      snapshotId: BigInt(asString(o['snapshot-id'], 'snapshot-id')),
      sequenceNumber: asSafeLong(o['sequence-number'], 'sequence-number'),
    }
  } catch (cause) {
    throw corruptLedger(table, streamId, `its property is ${text.slice(0, 200)}`, { cause })
  }
}

/** Nothing is guessed. @param remedy what to do, where that is something special. */
export function corruptLedger(
  table: string,
  streamId: string,
  why: string,
  {
    cause,
    remedy = "Another program has changed the table's properties or history. Set the table to a snapshot of the stream that is retained, or begin again with another stream id and an empty table",
  }: { readonly cause?: unknown; readonly remedy?: string } = {},
): FloeError {
  return new FloeError(
    'CORRUPT_LEDGER',
    `Cannot tell where the stream "${streamId}" is in ${table}: ${why}. ${remedy}`,
    { context: { table, stream: streamId }, ...(cause === undefined ? {} : { cause }) },
  )
}
