/** Where a stream is, told from a table's metadata alone: after expiry, after a table was set back, or not at all. */
import { describe, expect, it } from 'vitest'
import type { TableMetadata } from '../../src/iceberg/spec/metadata.ts'
import type { Snapshot } from '../../src/iceberg/spec/snapshot.ts'
import {
  type LedgerState,
  ledgerAdditions,
  ledgerProperty,
  moveAdditions,
  NO_BEGINNINGS,
} from '../../src/stream/ledger.ts'
import { type OffsetRange, Position } from '../../src/stream/position.ts'
import { readLedger } from '../../src/stream/read-ledger.ts'
import { type LedgerReport, verifyLedger } from '../../src/stream/verify-ledger.ts'
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
  /** As a reader found them. */
  beginnings = NO_BEGINNINGS
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
      beginnings: this.beginnings,
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

  /** Takes the rows of a snapshot in again, as Spark's cherrypick_snapshot does. */
  pick(source: bigint, more: Record<string, string> = {}): bigint {
    const summary = { operation: 'append', 'source-snapshot-id': String(source), ...more }
    return this.#add(++this.#id, summary)
  }

  /** As an earlier version of floe has written it, which kept no beginnings and found nothing picked. */
  age(): void {
    for (const { summary } of this.snapshots as { summary: Record<string, string> }[]) {
      delete summary['floe.stream.starts']
      delete summary['floe.stream.picked']
    }
  }

  verify(): LedgerReport['streams'] {
    return verifyLedger({ name: 'x.t', metadata: this.metadata }).streams
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

  it('goes back with a table that is set back, and reads partitions from where they began', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 6), range(1, 0, 2))
    history.commit(range(0, 6, 9))
    history.commit(range(1, 2, 8))
    history.current = second
    expect(position(history)).toBe('2: events:0:6,events:1:2')
    history.current = first
    expect(position(history)).toBe('1: events:0:5,events:1:0')
    // It goes on from there.
    history.commit(range(0, 5, 7))
    expect(position(history)).toBe('2: events:0:7,events:1:0')
    expect(verifyLedger({ name: 'x.t', metadata: history.metadata }).ok).toBe(true)
  })

  it('goes back to where it began with a table that is set back to before the stream', () => {
    const history = new History()
    const before = history.foreign()
    history.topicIds = new Map([['events', 'a']])
    history.commit(range(0, 10, 15))
    history.commit(range(0, 15, 16))
    history.current = before
    // Not to what the source has by then: retention may have removed some since.
    expect(position(history)).toBe('0: events:0:10')
    expect([...history.read().topicIds]).toEqual([['events', 'a']])
    history.commit(range(0, 10, 12))
    expect(position(history)).toBe('1: events:0:12')
    expect(history.verify()).toMatchObject([{ problems: [], complete: true, offsets: 2 }])
  })

  it('knows nothing of a table that was replaced', () => {
    const history = new History()
    history.commit(range(0, 10, 15))
    history.current = undefined
    expect(position(history)).toBe('0: ')
    history.foreign()
    expect(position(history)).toBe('0: ')
  })

  it('goes back to before a partition began, wherever that was', () => {
    for (const isOld of [true, false]) {
      const history = new History()
      const begin = (topic: string, start: number): OffsetRange[] =>
        [0, 1, 2].map((p) => ({ topic, partition: p, start: start + p, end: start + 100 }))
      const first = history.commit(range(0, 0, 500), range(7, 30, 40))
      history.foreign()
      history.commit(range(1, 1000, 1200))
      const third = history.commit(range(0, 500, 501), ...begin('more', 700))
      history.commit(range(0, 501, 502), range(2, 5, 6), ...begin('others', 0))
      if (isOld) history.age()
      history.current = third
      const all = 'events:0:501,events:1:1200,events:2:5,events:7:40'
      const topics = 'more:0:800,more:1:800,more:2:800,others:0:0,others:1:1,others:2:2'
      expect(position(history)).toBe(`3: ${all},${topics}`)
      history.current = first
      expect(position(history)).toBe(
        '1: events:0:500,events:1:1000,events:2:5,events:7:40,more:0:700,more:1:701,more:2:702,others:0:0,others:1:1,others:2:2',
      )
      // What no snapshot of the history names, the next one does.
      history.commit(range(1, 1000, 1001))
      expect(history.verify()).toMatchObject([{ problems: [], complete: true }])
      history.current = first
      expect(history.read().position.get('more', 2)).toBe(702)
    }
  })

  it('has a place for partitions without a record from the first commit on', () => {
    const history = new History()
    const starts = Position.fromText('events:0:5,events:1:9,events:2:0')
    history.beginnings = { starts, whole: new Set(['events', 'unread']) }
    history.commit(range(0, 5, 6))
    expect(position(history)).toBe('1: events:0:6,events:1:9,events:2:0')
    expect([...history.read().whole]).toEqual(['events'])
    // Where it has one that counts, not what a reader finds later.
    const later = Position.fromText('events:0:6,events:1:40,events:2:40,events:3:0')
    history.beginnings = { starts: later, whole: new Set() }
    const second = history.commit(range(1, 9, 10))
    expect(position(history)).toBe('2: events:0:6,events:1:10,events:2:0,events:3:0')
    expect([...history.read().whole]).toEqual(['events'])
    history.commit(range(3, 0, 1))
    history.current = second
    expect(position(history)).toBe('2: events:0:6,events:1:10,events:2:0,events:3:0')
    expect(history.verify()).toMatchObject([{ problems: [], complete: true, offsets: 2 }])
    // A topic that is made anew has other partitions.
    history.move('events:0:3', 'events')
    expect([...history.read().whole]).toEqual([])
    history.current = second
    expect([...history.read().whole]).toEqual(['events'])
  })

  it('is refused where the history goes by the snapshot of the property, which has expired', () => {
    const history = new History()
    const first = history.foreign()
    const second = history.foreign()
    const third = history.commit(range(0, 0, 1000))
    history.current = second
    history.foreign()
    expect(position(history)).toBe('0: events:0:0')
    history.expire(first, third)
    // From the fourth snapshot straight to the second: the third one was left out.
    const { message } = errorOf('CORRUPT_LEDGER', () => history.read())
    expect(message).toContain('events:0:1000')
    expect(message).toContain('remove its property floe.stream.s.offsets')
    expect(history.verify()[0]?.problems[0]).toContain('events:0:1000')
    history.expire(second)
    // The one after it names another one as its parent.
    errorOf('CORRUPT_LEDGER', () => history.read())
    // As the message says.
    history.properties = {}
    expect(position(history)).toBe('0: ')
  })

  it('is refused where the newest snapshot is of the same commit and another position', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 9))
    history.current = first
    const third = history.commit(range(0, 5, 6))
    history.current = second
    history.expire(third)
    errorOf('CORRUPT_LEDGER', () => history.read())
  })

  it('has what was picked of commits that were set back', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 500))
    const second = history.commit(range(0, 500, 900), range(1, 7, 8))
    const third = history.commit(range(0, 900, 1000))
    history.current = first
    history.foreign()
    expect(position(history)).toBe('1: events:0:500,events:1:7')
    const picked = history.pick(second)
    expect(position(history)).toBe('1: events:0:900,events:1:8')
    expect(history.verify()).toMatchObject([{ problems: [], offsets: 901 }])
    // What was picked, and then set back, may be picked again.
    history.current = first
    history.foreign()
    history.pick(picked)
    history.pick(third)
    expect(position(history)).toBe('1: events:0:1000,events:1:8')
    history.commit(range(0, 1000, 1001))
    expect(position(history)).toBe('2: events:0:1001,events:1:8')
    // The commit after it tells, also when what was picked has expired.
    history.expire(second, third, picked)
    expect(history.verify()).toMatchObject([{ problems: [], complete: true, offsets: 1002 }])
    history.current = first
    expect(position(history)).toBe('1: events:0:500,events:1:7')
  })

  it('is refused where what was picked does not follow, or may have been its own', () => {
    const set = (): { history: History; second: bigint; third: bigint; last: bigint } => {
      const history = new History()
      const first = history.commit(range(0, 0, 5))
      const second = history.commit(range(0, 5, 6))
      const third = history.commit(range(0, 6, 9))
      history.current = first
      return { history, second, third, last: history.foreign() }
    }
    const gap = set()
    const picked = gap.history.pick(gap.third)
    const { message } = errorOf('CORRUPT_LEDGER', () => gap.history.read())
    for (const part of [`snapshot ${picked}`, 'events:0:6-9', 'at events:0:5', `, ${gap.last}`]) {
      expect(message).toContain(part)
    }
    expect(gap.history.verify()[0]?.problems[0]).toContain('picked')
    // As the message says.
    gap.history.current = gap.last
    expect(position(gap.history)).toBe('1: events:0:5')

    const twice = set()
    twice.history.commit(range(0, 5, 8))
    twice.history.pick(twice.second)
    expect(errorOf('CORRUPT_LEDGER', () => twice.history.read()).message).toContain('some twice')

    const gone = set()
    gone.history.commit(range(1, 0, 1))
    gone.history.pick(gone.second)
    gone.history.expire(gone.second)
    expect(errorOf('CORRUPT_LEDGER', () => gone.history.read()).message).toContain('is gone')
  })

  it('lets others pick and publish what is not of it', () => {
    const history = new History()
    const staged = history.foreign()
    const before = history.commit(range(0, 0, 5))
    history.pick(staged)
    history.commit(range(0, 5, 6))
    // What stands before the last commit has nothing to tell.
    history.expire(staged)
    expect(position(history)).toBe('2: events:0:6')
    history.pick(staged, { 'published-wap-id': 'audit' })
    expect(position(history)).toBe('2: events:0:6')
    const again = history.foreign()
    history.pick(again)
    expect(position(history)).toBe('2: events:0:6')
    expect(history.verify()).toMatchObject([{ problems: [] }])
    history.current = before
    expect(position(history)).toBe('1: events:0:5')
  })

  it('shows rows that an earlier version has let in twice', () => {
    const history = new History()
    const first = history.commit(range(0, 0, 5))
    const second = history.commit(range(0, 5, 6))
    history.current = first
    history.foreign()
    const picked = history.pick(second)
    history.commit()
    history.age()
    const [stream] = history.verify()
    expect(stream?.problems.join()).toContain(`snapshot ${picked} was picked, and has events:0:5-6`)
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
    // Its partition is read from where it began, if it is still of that topic.
    expect([...history.read().topicIds]).toEqual([
      ['events', 'a'],
      ['more', 'c'],
    ])
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
      [restarted, '4: events:0:0,events:2:3', [['events', 'b']]],
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
