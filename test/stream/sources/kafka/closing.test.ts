/** Brokers that stand still: opening and closing end all the same, and nothing is left that keeps the process alive. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Kafka } from 'kafkajs'
import { afterEach, expect, it } from 'vitest'
import { type Runtime, systemRuntime } from '../../../../src/core/runtime.ts'
import { GroupMembership } from '../../../../src/stream/sources/kafka/group-membership.ts'
import type { GroupOffsets } from '../../../../src/stream/sources/kafka/group-offsets.ts'
import { kafkaSource } from '../../../../src/stream/sources/kafka/kafka-source.ts'
import { resolveOptions } from '../../../../src/stream/sources/kafka/options.ts'
import { SocketFactory } from '../../../../src/stream/sources/kafka/socket-factory.ts'
import { openOptions } from '../../source-conformance.ts'
import { FakeCluster, readerOf } from './fake-cluster.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

const never = (): Promise<never> => new Promise(() => {})
/** The waits of closing take no time. */
const hurried: Runtime = {
  ...systemRuntime,
  sleep: (ms, signal) => systemRuntime.sleep(ms <= 5000 ? 0 : ms, signal),
}

/** A server that takes connections and says nothing. */
async function silentServer() {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.resume()
    sockets.push(socket)
  }).listen(0, '127.0.0.1')
  ends.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { port, sockets }
}

it('close ends though kafkajs waits for requests under way', async () => {
  const cluster = Object.assign(new FakeCluster([]), { disconnect: never })
  const reader = await readerOf(cluster, {}, {}, hurried)
  await reader.close()
})

it('close leaves the group also while the coordinator does not answer to offsets', async () => {
  let stopped = 0
  const membership = { stop: async () => void stopped++ } as unknown as GroupMembership
  const offsets = { set: never } as unknown as GroupOffsets
  const reader = await readerOf(new FakeCluster([]), {}, {}, hurried)
  reader.start(offsets, membership)
  await reader.close()
  expect(stopped).toBe(1)
})

it('a member that crashes after it was stopped is not started anew', async () => {
  let config: { retry?: { restartOnFailure?: (error: Error) => Promise<boolean> } } = {}
  const consumer = { disconnect: async () => {} }
  const kafka = {
    consumer: (given: typeof config) => {
      config = given
      return consumer
    },
  }
  const options = { brokers: ['127.0.0.1:1'], topics: 't', groupId: 'g' }
  const member = new GroupMembership(kafka as unknown as Kafka, resolveOptions(options), {
    assigned: () => {},
    lost: () => {},
  })
  const restarts = () => config.retry?.restartOnFailure?.(new Error('crash'))
  expect(await restarts()).toBe(true)
  await member.stop()
  expect(await restarts()).toBe(false)
})

it('sockets are destroyed, and no more are made', async () => {
  const { port, sockets } = await silentServer()
  const factory = new SocketFactory()
  const create = factory.with()
  const connect = () =>
    create({ host: '127.0.0.1', port, ssl: undefined as never, onConnect: () => undefined })
  const socket = connect()
  const errors: Error[] = []
  socket.on('error', (error) => errors.push(error))
  while (sockets.length === 0) await systemRuntime.sleep(1)
  factory.sever()
  await once(sockets[0] as Socket, 'close')
  expect(socket.destroyed).toBe(true)
  // What tells kafkajs that its requests have failed.
  expect(errors.map(({ message }) => message)).toEqual(['the reader was closed'])
  expect(connect).toThrow('the reader was closed')
})

for (const assignment of [{ ordinal: 0, of: 1 }, 'group'] as const) {
  it(`opening ends with its signal, and its connections with it (${JSON.stringify(assignment)})`, async () => {
    const { port, sockets } = await silentServer()
    const stop = new AbortController()
    const source = kafkaSource({
      brokers: [`127.0.0.1:${port}`],
      topics: 't',
      groupId: 'g',
      assignment,
    })
    const opening = source.open(openOptions({ signal: stop.signal }))
    opening.catch(() => undefined)
    while (sockets.length === 0) await systemRuntime.sleep(1)
    stop.abort(new Error('stop'))
    await expect(opening).rejects.toMatchObject({ code: 'ABORTED' })
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close')
    // kafkajs itself would give up after half a minute.
  }, 20_000)
}
