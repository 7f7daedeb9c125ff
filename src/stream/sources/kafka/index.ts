/** Reads Kafka topics: the subpath `floe/kafka`. Needs the package kafkajs 2.2. */
export type { KafkaCodec, KafkaCodecName } from './codecs.ts'
export { kafkaSource } from './kafka-source.ts'
export type { KafkaSourceOptions } from './options.ts'
