/** Where a stream is, told from a table's metadata alone: after expiry, after a table was set back, or not at all. */
import { describe, expect, it } from 'vitest'
import type { TableMetadata } from '../../src/iceberg/spec/metadata.ts'
import type { Snapshot } from '../../src/iceberg/spec/snapshot.ts'
import {
  type LedgerState,
  ledgerAdditions,
  ledgerProperty,
  moveAdditions,
  readLedger,
} from '../../src/stream/ledger.ts'
import { type OffsetRange, Position } from '../../src/stream/position.ts'
import { verifyLedger } from '../../src/stream/verify-ledger.ts'
import { errorOf } from '../support/expect-error.ts'

const range = (partition: number, start: number, end: number): OffsetRange => ({
  topic: 'events',
  partition,
  start,
  end,
})

/** The parts of metadata that a ledger is read from. */
class History {
  snapshots: Snapshot[] = []
  properties: Record<string, string> = {}
  current: bigint | undefined
  /** Of the source. */
  topicIds: ReadonlyMap<string, string | undefined> = new Map()
  #id = 0n

  get metadata(): TableMetadata {
    const { snapshots, properties, current } = this
    return {
      snapshots,
      properties,
      refs: new Map(),
      ...(current === undefined ? {} : { currentSnapshotId: current }),
    } as unknown as TableMetadata
  }

  read(): LedgerState {
    return readLedger(this.metadata, 's', 'x.t')
  }

  commit(...ranges: OffsetRange[]): bigint {
    const snapshotId = ++this.#id
    const { summary, updates } = ledgerAdditions('s', this.read(), {
      ranges,
      topicIds: this.topicIds,
      snapshotId,
      sequenceNumber: Number(snapshotId),
      maxEventMs: 0,
      ingestMs: 0,
    })
    for (const update of updates) {
      if (update.action === 'set-properties') Object.assign(this.properties, update.updates)
    }
    return this.#add(snapshotId, summary)
  }

  move(to: string, ...restarted: string[]): bigint {
    const snapshotId = ++this.#id
    const move = { to: Position.fromText(to), restarted }
    const { summary, updates } = moveAdditions('s', this.read(), move, {
      snapshotId,
      sequenceNumber: Number(snapshotId),
    })
    for (const update of updates) {
      if (update.action === 'set-properties') Object.assign(this.properties, update.updates)
    }
    return this.#add(snapshotId, summary)
  }

  foreign(): bigint {
    return this.#add(++this.#id, { operation: 'replace' })
  }

  expire(...ids: bigint[]): void {
    this.snapshots = this.snapshots.filter((s) => !ids.includes(s.snapshotId))
  }

  #add(snapshotId: bigint, summary: Record<string, string>): bigint {
    this.snapshots.push({
      snapshotId,
      ...(this.current === undefined ? {} : { parentSnapshotId: this.current }),
      sequenceNumber: Number(snapshotId),
      timestampMs: 0,
      summary,
    })
    this.current = snapshotId
    return snapshotId
  }
}

const text = (state: LedgerState): string => `${state.seq}: ${state.position.toText()}`
const position = (history: History): string => text(history.read())

describe('the ledger of a stream', () => {
  it('is empty in a table that the stream has not written', () => {
    const history = new History()
    expect(position(history)).toBe('0: ')
    history.foreign()
    expect(position(history)).toBe('0: ')
  })

  it('goes on over commits of others', () => {
    const history = new History()
    history.commit(range(0, 0, 5), range(1, 3, 4))
    history.foreign()
    history.commit(range(0, 5, 9))
    history.foreign()
    expect(position(history)).toBe('2: events:0:9,events:1:4')
    const report = verifyLedger({ name: 'x.t', metadata: history.metadata })
    expect(report).toMatchObject({
      ok: true,
      streams: [{ commits: 2, complete: true, offsets: 10 }],
    })
  })

  it('survives the expiry of every snapshot of the stream', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 6))
    history.foreign()
    history.expire(first)
    expect(position(history)).toBe('2: events:0:6')
    history.expire(second)
    expect(position(history)).toBe('2: events:0:6')
    history.commit(range(0, 6, 7))
    expect(position(history)).toBe('3: events:0:7')
    expect(verifyLedger({ name: 'x.t', metadata: history.metadata }).ok).toBe(true)
  })

  it('goes back with a table that is set back, also beyond the first range of a partition', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 6), range(1, 0, 2))
    history.commit(range(0, 6, 9))
    history.commit(range(1, 2, 8))
    history.current = second
    expect(position(history)).toBe('2: events:0:6,events:1:2')
    history.current = first
    expect(position(history)).toBe('1: events:0:5')
    // It goes on from there.
    history.commit(range(0, 5, 7))
    expect(position(history)).toBe('2: events:0:7')
    expect(verifyLedger({ name: 'x.t', metadata: history.metadata }).ok).toBe(true)
  })

  it('goes back to the start with a table that is set back to before the stream', () => {
    const history = new History()
    const before = history.foreign()
    history.commit(range(0, 10, 15))
    history.commit(range(0, 15, 16))
    history.current = before
    expect(position(history)).toBe('0: ')
  })

  it('keeps which topics its position is of, and goes without where tables do not have it', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    // As it was written before there were ids.
    expect(history.properties[ledgerProperty('s')]).not.toContain('topic-ids')
    expect(history.read().topicIds).toEqual(new Map())
    history.topicIds = new Map([
      ['events', 'a'],
      ['unread', 'b'],
      ['nameless', undefined],
    ])
    history.commit(range(0, 5, 6))
    expect([...history.read().topicIds]).toEqual([['events', 'a']])
    const report = verifyLedger({ name: 'x.t', metadata: history.metadata })
    expect(report.streams[0]?.topicIds).toEqual(new Map([['events', 'a']]))
    // A source that tells none does not make it forget.
    history.topicIds = new Map([['events', undefined]])
    const third = history.commit({ topic: 'more', partition: 0, start: 0, end: 1 })
    expect([...history.read().topicIds]).toEqual([['events', 'a']])
    history.topicIds = new Map([['more', 'c']])
    history.commit({ topic: 'more', partition: 0, start: 1, end: 2 })
    history.current = third
    expect([...history.read().topicIds.keys()]).toEqual(['events', 'more'])
    history.current = first
    expect([...history.read().topicIds]).toEqual([['events', 'a']])
    history.properties[ledgerProperty('s')] =
      '{"vector":"events:0:5","topic-ids":{"events":5},"seq":1,"snapshot-id":"1","sequence-number":1}'
    errorOf('CORRUPT_LEDGER', () => history.read())
  })

  it('tells where it was moved to, what was passed over, and where it was before', () => {
    const history = new History()
    history.topicIds = new Map([['events', 'a']])
    const first = history.commit(range(0, 0, 5), range(1, 0, 3))
    const moved = history.move('events:0:9,events:1:3,events:2:4')
    expect(position(history)).toBe('2: events:0:9,events:1:3,events:2:4')
    history.commit(range(0, 9, 10))
    const restarted = history.move('events:2:3', 'events')
    expect([...history.read().topicIds]).toEqual([])
    history.topicIds = new Map([['events', 'b']])
    history.commit(range(0, 0, 2))
    expect(position(history)).toBe('5: events:0:2,events:2:3')
    const report = verifyLedger({ name: 'x.t', metadata: history.metadata })
    expect(report).toMatchObject({
      ok: true,
      streams: [{ commits: 5, complete: true, offsets: 11 }],
    })
    expect(report.streams[0]?.skipped).toEqual([range(0, 5, 9), range(2, 0, 4), range(2, 0, 3)])
    // Set back: the topic of before the restart is the one that its position is of.
    const { properties } = history
    for (const [current, at, ids] of [
      [restarted, '4: events:2:3', [['events', 'b']]],
      [moved, '2: events:0:9,events:1:3,events:2:4', [['events', 'a']]],
      [first, '1: events:0:5,events:1:3', [['events', 'a']]],
    ] as const) {
      Object.assign(history.properties, properties)
      history.current = current
      expect(position(history)).toBe(at)
      expect([...history.read().topicIds]).toEqual(ids)
    }
  })

  it('is refused, with both positions, where the way back is lost', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 6))
    history.commit(range(0, 6, 9))
    history.current = first
    history.expire(second)
    const error = errorOf('CORRUPT_LEDGER', () => history.read())
    expect(error.message).toContain('events:0:9')
    expect(error.message).toContain('events:0:0-5')
  })

  it('is refused after the table was set back and what was left out has expired', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 100))
    const compaction = history.foreign()
    const second = history.commit(range(0, 100, 200))
    history.current = compaction
    history.expire(first, second)
    expect(errorOf('CORRUPT_LEDGER', () => history.read()).message).toContain('events:0:200')
  })

  it('is refused where the property is gone, or is not one', () => {
    const history = new History()
    history.commit(range(0, 0, 5))
    const key = ledgerProperty('s')
    history.properties[key] = '{"vector":"nonsense","seq":1,"snapshot-id":"1","sequence-number":1}'
    expect(errorOf('CORRUPT_LEDGER', () => history.read()).context['table']).toBe('x.t')
    delete history.properties[key]
    expect(errorOf('CORRUPT_LEDGER', () => history.read()).message).toContain('is gone')
  })

  it('shows gaps, overlaps, lost commits and changed positions when it is verified', () => {
    const edit = (change: (history: History) => void): readonly string[] => {
      const history = new History()
      history.commit(range(0, 0, 5))
      history.commit(range(0, 5, 6))
      history.commit(range(0, 6, 9))
      change(history)
      return verifyLedger({ name: 'x.t', metadata: history.metadata }).streams[0]?.problems ?? []
    }
    const summary = (history: History, i: number): Record<string, string> =>
      history.snapshots[i]?.summary as Record<string, string>
    expect(edit(() => undefined)).toEqual([])
    expect(
      edit((h) => void (summary(h, 1)['floe.stream.ranges'] = 'events:0:4-6')).join(),
    ).toContain('an overlap')
    expect(
      edit((h) => void (summary(h, 1)['floe.stream.ranges'] = 'events:0:5-7')).join(),
    ).toContain('an overlap in events/0: it begins at 6')
    expect(
      edit((h) => void (summary(h, 2)['floe.stream.ranges'] = 'events:0:7-9')).join(),
    ).toContain('a gap')
    expect(edit((h) => void (summary(h, 2)['floe.stream.seq'] = '5')).join()).toContain('commit 5')
    expect(
      edit((h) => {
        h.properties[ledgerProperty('s')] =
          '{"vector":"events:0:12","seq":3,"snapshot-id":"3","sequence-number":3}'
      }).join(),
    ).toContain('its ranges end at 9')
  })
})
