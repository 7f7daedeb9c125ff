/** Where a stream is in a table that was set back: before the commits that were left out. streaming.md §1; §5, 19. */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import {
  corruptLedger,
  idsOf,
  LedgerKey,
  type LedgerProperty,
  type LedgerState,
  ledgerProperty,
  movedBy,
  NEW_LEDGER,
  type Place,
  pickedBefore,
  rangesOf,
  seqOf,
  startsNamedBy,
  topicsOf,
} from './ledger.ts'
import { type OffsetRange, Position, partitionKey } from './position.ts'

/** All subsets of so many partitions are tried, where a snapshot of an earlier version does not say which ones began. */
const MOST_SUBSETS_OF = 12

interface SetBack {
  readonly state: LedgerState
  /** Snapshots of the history, newest first, that the state does not have what they picked of. */
  readonly unsettled: readonly Snapshot[]
}

/** The state with what the history does not name of it. */
interface Undone extends Place {
  readonly unnamed: Position
}

/**
 * Takes the commits between the current history and the property's snapshot off. Partitions that began with one of them
 * keep their beginnings as their places: from there on they are read again, and not from what the source has by then.
 * @param newestAt of the newest snapshot of the stream in the current history; less than 0 if there is none.
 * @throws CORRUPT_LEDGER
 */
export function setBack(
  where: { readonly metadata: TableMetadata; readonly streamId: string; readonly table: string },
  property: LedgerProperty,
  chain: readonly Snapshot[],
  newestAt: number,
): SetBack {
  const { metadata, streamId, table } = where
  const newest = chain[newestAt]
  const { leftOut, meeting, isReplaced } = leftOutOf(metadata, streamId, property, chain)
  const found = newest === undefined ? 0 : seqOf(newest)
  if (property.seq - leftOut.length !== found) throw gone(where, property, chain, newest)
  // Of what was written before nothing is in the table, which is as new.
  if (isReplaced && newest === undefined) return { state: NEW_LEDGER, unsettled: [] }
  let undone: Undone = { ...property, unnamed: Position.EMPTY }
  for (const [i, snapshot] of leftOut.entries()) {
    const earlier = [...leftOut.slice(i + 1), ...(newest === undefined ? [] : chain)]
    const own = earlier.filter((s) => s.summary[LedgerKey.ID] === streamId)
    undone = before(undone, snapshot, own)
  }
  const { position, unnamed } = undone
  if (newest !== undefined && named(undone).digest() !== newest.summary[LedgerKey.VECTOR]) {
    throw corruptLedger(
      table,
      streamId,
      `the position ${position.toText()}, which the property and the snapshots set back give, is not the one that snapshot ${newest.snapshotId} names`,
    )
  }
  const state = {
    position,
    topicIds: idsOf(position, undone.topicIds),
    whole: topicsOf(position, undone.whole),
    seq: found,
    unnamed,
    picked: [],
  }
  // What was picked before the histories part, the next commit of the stream has found.
  const oldest = leftOut.at(-1)
  const isSettled = oldest === undefined || pickedBefore(oldest).length === 0
  const end = isSettled && meeting >= 0 ? meeting : newestAt < 0 ? chain.length : newestAt
  return { state, unsettled: chain.slice(0, end) }
}

/**
 * Commits of the stream that are not in the current history, newest first, and where in that it meets theirs; or that they
 * go back to another first snapshot, as after CREATE OR REPLACE TABLE.
 */
function leftOutOf(
  metadata: TableMetadata,
  streamId: string,
  property: LedgerProperty,
  chain: readonly Snapshot[],
): {
  readonly leftOut: readonly Snapshot[]
  readonly meeting: number
  readonly isReplaced: boolean
} {
  const leftOut: Snapshot[] = []
  let isReplaced = false
  for (const snapshot of ancestorsOf(metadata, property.snapshotId)) {
    const meeting = chain.indexOf(snapshot)
    if (meeting >= 0) return { leftOut, meeting, isReplaced: false }
    isReplaced = snapshot.parentSnapshotId === undefined
    if (snapshot.summary[LedgerKey.ID] !== streamId) continue
    if (seqOf(snapshot) !== property.seq - leftOut.length) break
    leftOut.push(snapshot)
  }
  return { leftOut, meeting: -1, isReplaced }
}

/** The state before a commit. @param earlier the stream's that are retained from before it, newest first. */
function before(after: Undone, snapshot: Snapshot, earlier: readonly Snapshot[]): Undone {
  // Of several ranges of a partition the first one tells where it was.
  const ranges = [...pickedBefore(snapshot), ...rangesOf(snapshot)].reverse()
  const starts = startsNamedBy(snapshot)
  const moved = movedBy(snapshot)
  if (moved === undefined) {
    const undone = { ...after, position: after.position.before(ranges) }
    const begun = starts.size > 0 ? starts : begunWith(undone, rangesOf(snapshot), earlier)
    return { ...undone, unnamed: undone.unnamed.and(begun.entries()) }
  }
  const { from, restarted } = moved
  // Beginnings of a topic that was made anew say nothing of the one before it.
  const kept = [...after.unnamed.without(restarted).entries()].filter(
    ({ topic, partition }) => from.position.get(topic, partition) === undefined,
  )
  return {
    ...from,
    position: from.position.before(ranges).and(kept),
    unnamed: starts.and(kept),
  }
}

function named({ position, unnamed }: Undone): Position {
  return Position.of(
    [...position.entries()].filter(
      ({ topic, partition }) => unnamed.get(topic, partition) === undefined,
    ),
  )
}

/**
 * Partitions that began with a commit of an earlier version, which does not say so: those without which the position is
 * the one that the commit before it names. None if that does not explain it.
 */
function begunWith(
  undone: Undone,
  ranges: readonly OffsetRange[],
  earlier: readonly Snapshot[],
): Position {
  const [previous] = earlier
  if (previous === undefined) return named(undone)
  const wanted = previous.summary[LedgerKey.VECTOR]
  const rest = named(undone)
  if (rest.digest() === wanted) return Position.EMPTY
  for (const begun of guesses(ranges, earlier)) {
    const unnamed = undone.unnamed.and(begun.entries())
    if (named({ ...undone, unnamed }).digest() === wanted) return begun
  }
  return Position.EMPTY
}

function* guesses(
  ranges: readonly OffsetRange[],
  earlier: readonly Snapshot[],
): Generator<Position, void, undefined> {
  const seen = new Set(earlier.flatMap((s) => rangesOf(s).map(keyOf)))
  const starts = ranges
    .filter((range) => !seen.has(keyOf(range)))
    .map(({ topic, partition, start }) => ({ topic, partition, offset: start }))
    .sort((a, b) => a.offset - b.offset)
  // All of them, where the whole history is retained; else most of those that began did so with a small offset.
  for (let left = starts.length; left > 0; left--) yield Position.of(starts.slice(0, left))
  if (starts.length > MOST_SUBSETS_OF) return
  for (let subset = 1; subset < 2 ** starts.length; subset++) {
    yield Position.of(starts.filter((_, i) => (subset >> i) & 1))
  }
}

function keyOf({ topic, partition }: OffsetRange): string {
  return partitionKey({ topic, partition })
}

function gone(
  { streamId, table }: { readonly streamId: string; readonly table: string },
  property: LedgerProperty,
  chain: readonly Snapshot[],
  newest: Snapshot | undefined,
): Error {
  const found =
    newest === undefined
      ? 'has no snapshot of the stream'
      : `has the stream at commit ${seqOf(newest)} (${newest.summary[LedgerKey.RANGES]})`
  // Its first commit was left out, or the whole history is there.
  const isWhole = chain.at(-1)?.parentSnapshotId === undefined
  const hasNone = newest === undefined && (property.seq === 1 || isWhole)
  const remedy = `The table was set back to before the stream, and has none of its rows: remove its property ${ledgerProperty(streamId)}, and the stream fills it from the first record that the source has, as a new one that backfill names`
  return corruptLedger(
    table,
    streamId,
    `the property says commit ${property.seq} at ${property.position.toText()} in snapshot ${property.snapshotId}, but the current history ${found}, and the snapshots between are gone`,
    hasNone ? { remedy } : {},
  )
}
