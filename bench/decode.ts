/**
 * Child: what reading events costs on this machine without any of floe: gzip batches of events are decoded by kafkajs's
 * own decoder, without network, and each value is parsed by JSON.parse. Prints MiB of values for each CPU second: the median
 * of rounds after some to warm up.
 */
import { createRequire } from 'node:module'
import { EventGenerator, GENERATOR_DEFAULTS } from '../examples/pipeline/generator.js'
import { median } from './measure.js'

/** The parts of kafkajs below its declared interface. */
const require = createRequire(import.meta.url)
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object
const Encoder = require('kafkajs/src/protocol/encoder') as new () => {
  writeEncoder(value: object): { readonly buffer: Buffer }
}
const makeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (
  record: object,
) => object
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: object) => Promise<object>
}
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<{ readonly records: readonly { readonly value: Buffer }[] }>

const ROUNDS = 40
const WARM_UP = 20
/** Batches of a round. */
const BATCHES = 20
/** Events get longer while their schema drifts: those after so many have about 300 bytes. */
const SKIPPED = 200_000
const BATCH = 1000
const GZIP = 1

function events(): { readonly key: Uint8Array | null; readonly value: Uint8Array }[] {
  // Of broken ones JSON.parse would make errors.
  const generator = new EventGenerator({ ...GENERATOR_DEFAULTS, malformedShare: 0 })
  for (let made = 0; made < SKIPPED; made += BATCH) generator.take(BATCH, 0)
  return generator
    .take(BATCH, 0)
    .flatMap(({ key, value }) => (value === null ? [] : [{ key, value }]))
}

const list = events()
const now = Date.now()
const batch = await RecordBatch({
  compression: GZIP,
  firstOffset: '0',
  firstTimestamp: now,
  maxTimestamp: now,
  partitionLeaderEpoch: 0,
  lastOffsetDelta: list.length - 1,
  records: list.map(({ key, value }, offsetDelta) =>
    makeRecord({
      offsetDelta,
      timestampDelta: 0,
      key: key && Buffer.from(key),
      value: Buffer.from(value),
      headers: {},
    }),
  ),
})
const { buffer } = new Encoder().writeEncoder(batch)
const bytes = list.reduce((sum, { value }) => sum + value.length, 0)

const rates: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  const before = process.cpuUsage()
  for (let i = 0; i < BATCHES; i++) {
    const { records } = await decodeBatch(new Decoder(buffer))
    for (const { value } of records) JSON.parse(value.toString())
    if (records.length !== list.length) throw new Error('kafkajs has not decoded all events')
  }
  const { user, system } = process.cpuUsage(before)
  rates.push((BATCHES * bytes) / 2 ** 20 / ((user + system) / 1e6))
}
console.log(JSON.stringify({ mibPerCpuSecond: median(rates.slice(WARM_UP)) }))
