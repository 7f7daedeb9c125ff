/** Options of the Kafka source that are refused before anything is connected to. */
import { describe, expect, it } from 'vitest'
import { kafkaSource } from '../../../../src/stream/sources/kafka/kafka-source.ts'
import { errorOf } from '../../../support/expect-error.ts'

describe('addresses of brokers', () => {
  const open = (broker: string) => (): unknown =>
    kafkaSource({ brokers: ['127.0.0.1:9092', broker], topics: 't', groupId: 'g' })

  it.each([
    '/tmp/log',
    'localhost',
    'PLAINTEXT://host:9092',
    'host:0',
    'host:65536',
    'a:1,b:2',
    '',
  ])('%j is none', (broker) => {
    const error = errorOf('BAD_ARGUMENT', open(broker))
    expect(error.message).toContain(`${JSON.stringify(broker)} in \`brokers\` is no address`)
  })

  it.each([
    'localhost:9092',
    ' with.space:9092\n',
    'kafka-0.kafka.svc.cluster.local:65535',
    '10.0.0.1:1',
  ])('%j is one', (broker) => {
    expect(open(broker)).not.toThrow()
  })
})
