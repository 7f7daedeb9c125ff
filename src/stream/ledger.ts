/**
 * The ledger of a stream in a table: what a snapshot took in, in its summary, and where the stream is, in a property that
 * the same commit sets. Summaries go when snapshots expire, a property does not go back with the table: together they
 * tell the position after both. streaming.md §1.
 */
import { FloeError } from '../core/errors.ts'
import { asObject, asSafeLong, asString, parseJson, stringifyJson } from '../core/json.ts'
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

/** What a batch writes into the ledger of a table in an attempt, and the snapshot that it makes. */
export function ledgerAdditions(
  streamId: string,
  before: LedgerState,
  batch: {
    readonly ranges: readonly OffsetRange[]
    /** Of the topics that were read. */
    readonly topicIds: TopicIds
    readonly snapshotId: bigint
    /** Of the snapshot that the commit makes. */
    readonly sequenceNumber: number
    readonly maxEventMs: number
    readonly ingestMs: number
  },
): { summary: Record<string, string>; updates: MetadataUpdate[] } {
  const { position, topicIds, seq } = stateAfter(before, batch.ranges, batch.topicIds)
  const value = stringifyJson({
    vector: position.toText(),
    ...(topicIds.size === 0 ? {} : { 'topic-ids': Object.fromEntries(topicIds) }),
    seq,
    'snapshot-id': String(batch.snapshotId),
    'sequence-number': batch.sequenceNumber,
  })
  return {
    summary: {
      [LedgerKey.ID]: streamId,
      [LedgerKey.RANGES]: rangesToText(batch.ranges),
      [LedgerKey.VECTOR]: position.digest(),
      [LedgerKey.SEQ]: String(seq),
      [LedgerKey.MAX_EVENT_MS]: String(batch.maxEventMs),
      [LedgerKey.INGEST_MS]: String(batch.ingestMs),
    },
    updates: [{ action: 'set-properties', updates: { [ledgerProperty(streamId)]: value } }],
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
  let { position } = property
  let seq = property.seq
  for (const snapshot of ancestorsOf(metadata, property.snapshotId)) {
    if (current.has(snapshot.snapshotId)) break
    if (snapshot.summary[LedgerKey.ID] !== streamId) continue
    if (seqOf(snapshot) !== seq) break
    position = position.before(rangesOf(snapshot))
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
    return { position: known, topicIds: idsOf(known, property.topicIds), seq }
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

export function seqOf(snapshot: Snapshot): number {
  return Number(snapshot.summary[LedgerKey.SEQ])
}

function parseProperty(text: string, table: string, streamId: string): LedgerProperty {
  try {
    const o = asObject(parseJson(text, 'the offsets', 4), 'the offsets')
    return {
      position: Position.fromText(asString(o['vector'], 'vector')),
      // Tables that were written before there were ids, or from a source that tells none, have none.
      topicIds: new Map(
        Object.entries(asObject(o['topic-ids'] ?? {}, 'topic-ids')).map(([topic, id]) => [
          topic,
          asString(id, 'topic-ids'),
        ]),
      ),
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
