/** A broker that stays away: however often it is tried, and however many partitions it leads, no listeners pile up. */
import { getEventListeners, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { systemRuntime } from '../../../../src/core/runtime.ts'
import { KafkaConnection } from '../../../../src/stream/sources/kafka/connection.ts'
import { GroupOffsets } from '../../../../src/stream/sources/kafka/group-offsets.ts'
import { KafkaReader } from '../../../../src/stream/sources/kafka/kafka-reader.ts'
import type { KafkaJsCluster } from '../../../../src/stream/sources/kafka/kafkajs.ts'
import { resolveOptions } from '../../../../src/stream/sources/kafka/options.ts'
import { SocketFactory } from '../../../../src/stream/sources/kafka/socket-factory.ts'
import { openOptions } from '../../source-conformance.ts'

const PARTITIONS = 40

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A cluster whose one broker cannot be reached. */
function awayCluster(): KafkaJsCluster & { tries: number } {
  const away = async (): Promise<never> => {
    throw new Error('connect ECONNREFUSED')
  }
  return {
    tries: 0,
    brokerPool: { findConnectedBroker: away },
    connect: away,
    disconnect: async () => undefined,
    refreshMetadata: away,
    addMultipleTargetTopics: away,
    findBroker(): Promise<never> {
      this.tries++
      return away()
    },
    findGroupCoordinator: away,
    findTopicPartitionMetadata: () =>
      Array.from({ length: PARTITIONS }, (_, partitionId) => ({ partitionId, leader: 1 })),
    fetchTopicsOffset: async ([topic]) => [
      {
        topic: 't',
        partitions: (topic?.partitions ?? []).map(({ partition }) => ({ partition, offset: '0' })),
      },
    ],
  }
}

it('partitions that are put off wait together', async () => {
  const options = resolveOptions({ brokers: ['127.0.0.1:1'], topics: 't', groupId: 'g' })
  const open = openOptions()
  const ending = new AbortController()
  const cluster = awayCluster()
  let most = 0
  const runtime = {
    ...systemRuntime,
    sleep: (ms: number, signal?: AbortSignal) => {
      const slept = systemRuntime.sleep(ms, signal)
      most = Math.max(most, getEventListeners(ending.signal, 'abort').length)
      return slept
    },
  }
  const connection = new KafkaConnection(
    cluster,
    options,
    runtime,
    ending.signal,
    new SocketFactory(),
  )
  const reader = new KafkaReader({ connection, options, open: { ...open, runtime }, ending })
  ends.push(() => reader.close())
  reader.start(new GroupOffsets(connection, options, undefined), undefined)
  await reader.assign(reader.ownPartitions())
  while (cluster.tries < 5) await reader.read({ waitMs: 50, signal: new AbortController().signal })
  // One for the wait, one for the look at the cluster's metadata.
  expect(most).toBe(2)
})

it('a socket that is closed is unreferenced as often as kafkajs does it', async () => {
  const accepted: Socket[] = []
  const server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1')
  ends.push(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  let connected: (() => void) | undefined
  const isConnected = new Promise<void>((resolve) => (connected = resolve))
  const socket = new SocketFactory().with()({
    host: '127.0.0.1',
    port,
    ssl: undefined as never,
    onConnect: () => connected?.(),
  })
  await isConnected
  while (accepted.length === 0) await systemRuntime.sleep(1)
  accepted[0]?.destroy()
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'close')
  for (let i = 0; i < 20; i++) {
    socket.end()
    socket.unref()
  }
  expect(socket.listenerCount('connect')).toBeLessThanOrEqual(1)
})
