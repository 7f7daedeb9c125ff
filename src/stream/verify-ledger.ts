/** Checks the ledger of a table: no gap and no overlap in what its retained history took in. streaming.md §1. */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import { LedgerKey, movedBy, pickedBefore, rangesOf, seqOf, startsNamedBy } from './ledger.ts'
import { sourceOf } from './picked.ts'
import {
  type OffsetRange,
  Position,
  partitionKey,
  rangesToText,
  skippedBetween,
} from './position.ts'
import { readLedger } from './read-ledger.ts'
import { NO_TOPIC_IDS } from './topic-ids.ts'

export interface LedgerReport {
  /** True if no problem was found in any stream. */
  readonly ok: boolean
  readonly streams: readonly StreamLedger[]
}

export interface StreamLedger {
  readonly id: string
  /** Commits of the stream that are retained. */
  readonly commits: number
  /** True if its first commit is among them: then every offset from the first on is accounted for. */
  readonly complete: boolean
  readonly position: Position
  /** The part of that of which no retained commit has taken anything in: as a rule where partitions begin. */
  readonly unread: Position
  /** Which topics the position is of, where their source told their ids: a topic that is made anew has another one. */
  readonly topicIds: ReadonlyMap<string, string>
  /** What the retained commits passed over because somebody had said so; see `moveStream`. */
  readonly skipped: readonly OffsetRange[]
  /** Number of offsets that the retained commits cover. */
  readonly offsets: number
  readonly problems: readonly string[]
}

/** Checks the ledgers of all streams of a table, or of one. Reads metadata alone. */
export function verifyLedger(
  table: { readonly name: string; readonly metadata: TableMetadata },
  streamId?: string,
): LedgerReport {
  const { metadata, name } = table
  const byStream = new Map<string, Snapshot[]>()
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    const source = sourceOf(metadata, snapshot)
    const { summary } = source === undefined || source === 'gone' ? snapshot : source
    const id = summary[LedgerKey.ID]
    if (id === undefined || (streamId !== undefined && id !== streamId)) continue
    const list = byStream.get(id)
    if (list === undefined) byStream.set(id, [snapshot])
    else list.push(snapshot)
  }
  for (const key of Object.keys(metadata.properties)) {
    const id = /^floe\.stream\.(.+)\.offsets$/.exec(key)?.[1]
    if (id === undefined || (streamId !== undefined && id !== streamId)) continue
    if (!byStream.has(id)) byStream.set(id, [])
  }
  const streams = [...byStream].map(([id, snapshots]) =>
    verifyStream(name, metadata, id, snapshots.reverse()),
  )
  return { ok: streams.every((s) => s.problems.length === 0), streams }
}

/** @param snapshots the oldest first, also those that others have picked of the stream's. */
function verifyStream(
  table: string,
  metadata: TableMetadata,
  id: string,
  snapshots: readonly Snapshot[],
): StreamLedger {
  const problems: string[] = []
  let position = Position.EMPTY
  let topicIds = NO_TOPIC_IDS
  let offsets = 0
  const skipped: OffsetRange[] = []
  const read = new Set<string>()
  let seq: number | undefined
  const commits = snapshots.filter((s) => s.summary[LedgerKey.ID] === id)
  const first = commits[0]
  const complete = first !== undefined && seqOf(first) === 1
  let picks: PickedSnapshot[] = []
  for (const snapshot of snapshots) {
    const at = `snapshot ${snapshot.snapshotId}`
    const source = sourceOf(metadata, snapshot)
    if (source !== undefined && source !== 'gone') {
      picks.push({ at, text: source.summary[LedgerKey.RANGES] ?? '' })
      continue
    }
    const own = seqOf(snapshot)
    if (seq !== undefined && own !== seq + 1) {
      problems.push(`${at} is commit ${own} of the stream, after commit ${seq}`)
    }
    seq = own
    try {
      position = position.and(
        [...startsNamedBy(snapshot).entries()].filter(
          (start) => position.get(start.topic, start.partition) === undefined,
        ),
      )
      const picked = pickedBefore(snapshot)
      problems.push(...takenTwice(picks, picked))
      picks = []
      // A partition may have several of those that were picked.
      const ends = new Map<string, number>()
      const ranges = [...picked, ...rangesOf(snapshot)]
      for (const { topic, partition, start, end } of ranges) {
        const key = partitionKey({ topic, partition })
        const before = ends.get(key) ?? position.get(topic, partition)
        ends.set(key, end)
        read.add(key)
        if (before !== undefined && before !== start) {
          const what = before < start ? 'a gap' : 'an overlap'
          problems.push(
            `${at} has ${what} in ${topic}/${partition}: it begins at ${start}, the one before ended at ${before}`,
          )
        }
        offsets += end - start
      }
      position = position.after(ranges)
      const moved = movedBy(snapshot)
      if (moved !== undefined) {
        skipped.push(...skippedBetween(moved.from.position.without(moved.restarted), moved.to))
        position = moved.to
      }
    } catch (error) {
      problems.push(`${at}: ${(error as Error).message}`)
    }
    if (complete && position.digest() !== snapshot.summary[LedgerKey.VECTOR]) {
      problems.push(`${at} names another position than the ranges up to it come to`)
    }
  }
  try {
    const state = readLedger(metadata, id, table)
    problems.push(...takenTwice(picks, state.picked))
    position = position.after(state.picked)
    for (const range of state.picked) {
      offsets += range.end - range.start
      read.add(partitionKey(range))
    }
    for (const { topic, partition, offset } of position.entries()) {
      const known = state.position.get(topic, partition)
      if (known === offset) continue
      problems.push(
        `${topic}/${partition} is at ${known ?? 'nothing'}, its ranges end at ${offset}`,
      )
    }
    if (seq !== undefined && state.seq !== seq) {
      problems.push(
        `the position is that of commit ${state.seq}, the newest snapshot is commit ${seq}`,
      )
    }
    position = state.position
    topicIds = state.topicIds
  } catch (error) {
    problems.push((error as Error).message)
  }
  const unread = Position.of([...position.entries()].filter((at) => !read.has(partitionKey(at))))
  return {
    id,
    commits: commits.length,
    complete,
    position,
    unread,
    topicIds,
    skipped,
    offsets,
    problems,
  }
}

/** A snapshot that has the rows of one of the stream's, with its ranges. */
interface PickedSnapshot {
  readonly at: string
  readonly text: string
}

/** Of those that were picked the ones that the stream has not found, and has taken in besides. */
function takenTwice(picks: readonly PickedSnapshot[], found: readonly OffsetRange[]): string[] {
  const known = rangesToText(found).split(',')
  return picks
    .filter(({ text }) => text.split(',').some((range) => range !== '' && !known.includes(range)))
    .map(
      ({ at, text }) => `${at} was picked, and has ${text}, which the stream has taken in besides`,
    )
}
