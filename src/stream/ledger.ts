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
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf, isAncestorOf } from '../iceberg/spec/refs.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import type { MetadataUpdate } from '../iceberg/spec/updates.ts'
import { type OffsetRange, Position, rangesFromText, rangesToText } from './position.ts'
import { NO_TOPIC_IDS, type TopicIds } from './topic-ids.ts'

/** Keys in summaries of snapshots. */
export const LedgerKey = {
  ID: 'floe.stream.id',
  RANGES: 'floe.stream.ranges',
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
  /** Of the last commit of the stream; 0 before the first. */
  readonly seq: number
}

const NEW: LedgerState = { position: Position.EMPTY, topicIds: NO_TOPIC_IDS, seq: 0 }

export function ledgerProperty(streamId: string): string {
  return `floe.stream.${streamId}.offsets`
}

interface LedgerProperty extends LedgerState {
  readonly snapshotId: bigint
  readonly sequenceNumber: number
}

/** The state after a batch. @param topicIds of the topics that were read. */
export function stateAfter(
  before: LedgerState,
  ranges: readonly OffsetRange[],
  topicIds: TopicIds,
): LedgerState {
  const position = before.position.after(ranges)
  return {
    position,
    topicIds: idsOf(position, [...before.topicIds, ...topicIds]),
    seq: before.seq + 1,
  }
}

/** Those that are known of topics of the position; of several of one topic the last. */
function idsOf(
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
  return { position: to, topicIds: idsOf(to, kept), seq: before.seq + 1 }
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
    readonly maxEventMs: number
    readonly ingestMs: number
  },
): LedgerAdditions {
  const after = stateAfter(before, batch.ranges, batch.topicIds)
  return additions(streamId, after, batch, {
    [LedgerKey.RANGES]: rangesToText(batch.ranges),
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
    [LedgerKey.MOVED_FROM]: stringifyJson(from),
    [LedgerKey.MOVED_TO]: move.to.toText(),
  })
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
type Place = Pick<LedgerState, 'position' | 'topicIds'>

function placeToJson({ position, topicIds }: Place): JsonObject {
  return {
    vector: position.toText(),
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
  }
}

/**
 * Where a stream is in a table, as its current snapshot has it.
 *
 * The property holds if its snapshot is the current one or an ancestor of it. If it is not, the table was set back: the
 * ranges of the snapshots that are left out are taken off again, back to where the two histories meet.
 * @throws CORRUPT_LEDGER, with both positions, where that cannot be told: nothing is guessed.
 */
export function readLedger(metadata: TableMetadata, streamId: string, table: string): LedgerState {
  const newest = newestOf(metadata, streamId)
  const text = metadata.properties[ledgerProperty(streamId)]
  if (text === undefined) {
    if (newest === undefined) return NEW
    throw corrupt(
      table,
      streamId,
      `the snapshot ${newest.snapshotId} has ranges of the stream, and the property ${ledgerProperty(streamId)} is gone`,
    )
  }
  const property = parseProperty(text, table, streamId)
  const { currentSnapshotId } = metadata
  if (isAncestorOf(metadata, currentSnapshotId, property.snapshotId)) return property
  const isRetained = metadata.snapshots.some((s) => s.snapshotId === property.snapshotId)
  // Expired since: then every snapshot of the stream that is left came before it.
  if (!isRetained && currentSnapshotId !== undefined) {
    // A table that was set back, and then lost what was left out, has a current snapshot that is older.
    const current = metadata.snapshots.find((s) => s.snapshotId === currentSnapshotId)
    const isLater = (current?.sequenceNumber ?? 0) >= property.sequenceNumber
    if (newest === undefined && isLater && !reachesBack(metadata)) return property
    if (newest !== undefined && seqOf(newest) === property.seq) return property
  }
  return rolledBack(metadata, streamId, table, property, newest)
}

/** True if all of the history of the current snapshot is retained, to the first. */
function reachesBack(metadata: TableMetadata): boolean {
  let last: Snapshot | undefined
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) last = snapshot
  return last !== undefined && last.parentSnapshotId === undefined
}

/** The position before the commits between the current history and the property's snapshot. */
function rolledBack(
  metadata: TableMetadata,
  streamId: string,
  table: string,
  property: LedgerProperty,
  newest: Snapshot | undefined,
): LedgerState {
  const current = new Set<bigint>()
  for (const s of ancestorsOf(metadata, metadata.currentSnapshotId)) current.add(s.snapshotId)
  let { position, topicIds, seq } = property
  for (const snapshot of ancestorsOf(metadata, property.snapshotId)) {
    if (current.has(snapshot.snapshotId)) break
    if (snapshot.summary[LedgerKey.ID] !== streamId) continue
    if (seqOf(snapshot) !== seq) break
    const moved = movedBy(snapshot)
    if (moved === undefined) position = position.before(rangesOf(snapshot))
    else ({ position, topicIds } = moved.from)
    seq--
  }
  const expected = newest === undefined ? 0 : seqOf(newest)
  if (seq !== expected) {
    const found =
      newest === undefined
        ? 'has no snapshot of the stream'
        : `has the stream at commit ${expected} (${newest.summary[LedgerKey.RANGES]})`
    throw corrupt(
      table,
      streamId,
      `the property says commit ${property.seq} at ${property.position.toText()} in snapshot ${property.snapshotId}, but the current history ${found}, and the snapshots between are gone`,
    )
  }
  // Partitions that began after the point to which the table was set back are not known there.
  if (newest === undefined) return NEW
  const known =
    position.digest() === newest.summary[LedgerKey.VECTOR]
      ? position
      : withoutLater(position, newest)
  if (known !== undefined) {
    return { position: known, topicIds: idsOf(known, topicIds), seq }
  }
  throw corrupt(
    table,
    streamId,
    `the position ${position.toText()}, which the property and the snapshots set back give, is not the one that snapshot ${newest.snapshotId} names`,
  )
}

/** The position without partitions that were first read after a snapshot; undefined if that does not explain it. */
function withoutLater(position: Position, newest: Snapshot): Position | undefined {
  const all = [...position.entries()]
  // Few partitions begin between two commits: those with the smallest offsets are tried, one more each time.
  const byOffset = [...all].sort((a, b) => a.offset - b.offset)
  for (let left = 1; left <= byOffset.length; left++) {
    const gone = new Set(byOffset.slice(0, left))
    const rest = Position.of(all.filter((p) => !gone.has(p)))
    if (rest.digest() === newest.summary[LedgerKey.VECTOR]) return rest
  }
  return undefined
}

function newestOf(metadata: TableMetadata, streamId: string): Snapshot | undefined {
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    if (snapshot.summary[LedgerKey.ID] === streamId) return snapshot
  }
  return undefined
}

/** @throws CORRUPT_LEDGER */
export function rangesOf(snapshot: Snapshot): OffsetRange[] {
  return rangesFromText(snapshot.summary[LedgerKey.RANGES] ?? '')
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

function parseProperty(text: string, table: string, streamId: string): LedgerProperty {
  try {
    const o = asObject(parseJson(text, 'the offsets', 4), 'the offsets')
    return {
      ...placeFromJson(o),
      seq: asSafeLong(o['seq'], 'seq'),
      snapshotId: BigInt(asString(o['snapshot-id'], 'snapshot-id')),
      sequenceNumber: asSafeLong(o['sequence-number'], 'sequence-number'),
    }
  } catch (cause) {
    throw corrupt(table, streamId, `its property is ${text.slice(0, 200)}`, cause)
  }
}

function corrupt(table: string, streamId: string, why: string, cause?: unknown): FloeError {
  return new FloeError(
    'CORRUPT_LEDGER',
    `Cannot tell where the stream "${streamId}" is in ${table}: ${why}. Another program has changed the table's properties or history. Set the table to a snapshot of the stream that is retained, or begin again with another stream id and an empty table`,
    { context: { table, stream: streamId }, ...(cause === undefined ? {} : { cause }) },
  )
}
