/** Whether a member of a group still has its partitions: kafkajs lets some commits pass without asking anybody. */
import { EventEmitter } from 'node:events'
import type { Kafka } from 'kafkajs'
import { beforeEach, describe, expect, it } from 'vitest'
import { GroupMembership } from '../../../../src/stream/sources/kafka/group-membership.ts'
import { resolveOptions } from '../../../../src/stream/sources/kafka/options.ts'

const OWN = [{ topic: 't', partition: 0, offset: 5 }]

/** A consumer as kafkajs has it: while it does not run, commits resolve and nobody is asked. */
class StubConsumer extends EventEmitter {
  readonly events = {
    GROUP_JOIN: 'join',
    REBALANCING: 'rebalancing',
    CRASH: 'crash',
    COMMIT_OFFSETS: 'committed',
  }
  isRunning = true

  pause(): void {}
  async connect(): Promise<void> {}
  async subscribe(): Promise<void> {}
  async run(): Promise<void> {}
  async commitOffsets(): Promise<void> {
    if (this.isRunning) this.emit('committed')
  }
}

describe('a member of a group', () => {
  let consumer: StubConsumer
  let member: GroupMembership

  beforeEach(async () => {
    consumer = new StubConsumer()
    const kafka = { consumer: () => consumer } as unknown as Kafka
    const options = resolveOptions({
      brokers: ['127.0.0.1:1'],
      topics: 't',
      groupId: 'g',
      assignment: 'group',
    })
    member = new GroupMembership(kafka, options, { assigned: () => {}, lost: () => {} })
    await member.start()
    consumer.emit('join', { payload: { memberAssignment: { t: [0] } } })
  })

  it('has its partitions while the group takes its commits', async () => {
    expect(await member.holds(OWN)).toBe(true)
  })

  it('has none after a crash until it has joined again', async () => {
    consumer.emit('crash', { payload: { error: new Error('connection'), restart: true } })
    expect(await member.holds(OWN)).toBe(false)
    consumer.emit('join', { payload: { memberAssignment: { t: [0] } } })
    expect(await member.holds(OWN)).toBe(true)
  })

  it('has none where kafkajs has stopped its consumer and has not told yet', async () => {
    consumer.isRunning = false
    expect(await member.holds(OWN)).toBe(false)
  })
})
