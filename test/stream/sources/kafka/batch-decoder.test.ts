/** Batches as brokers give them, made by hand: damage, transactions, offsets without records. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../../src/core/crc32c.ts'
import {
  bytesAt,
  type RecordChunk,
  RecordChunkBuilder,
} from '../../../../src/stream/record-chunk.ts'
import {
  BatchDecoder,
  type OpenBatch,
  type Opened,
  RefusedRecords,
  roomFor,
} from '../../../../src/stream/sources/kafka/batch-decoder.ts'
import {
  type BatchHeader,
  readBatchHeader,
} from '../../../../src/stream/sources/kafka/batch-header.ts'
import { Codecs } from '../../../../src/stream/sources/kafka/codecs.ts'
import type { AbortedTransaction } from '../../../../src/stream/sources/kafka/fetch-answer.ts'
import { seededRandom } from '../../../../src/testing/seeded-random.ts'
import { type Made, makeBatch, makeRecord, seal, slow } from './make-batch.ts'

describe('crc32c', () => {
  it('gives the check value of the algorithm', () => {
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
  })

  it('gives the same in steps of eight as byte by byte', () => {
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 37) & 255))
    for (let from = 0; from < 9; from++) {
      for (let to = from; to < 100; to += 7)
        expect(crc32c(bytes, from, to)).toBe(slow(bytes, from, to))
    }
  })
})

describe('BatchDecoder', () => {
  it('gives records from an offset on, also of a compressed batch with offsets taken out', async () => {
    const records = [10, 12, 15].map((offset) => ({ offset, key: null, value: `v${offset}` }))
    const batch = makeBatch(records, { attributes: 1, lastOffset: 17 })
    expect(readBatchHeader(batch, 0)).toMatchObject({ baseOffset: 10, lastOffset: 17, codec: 1 })
    expect(await decode([batch], 12)).toEqual(['12:v12', '15:v15'])
  })

  it('stops at any changed byte behind the checksum, and gives what came before', async () => {
    const good = makeBatch([{ offset: 0, value: 'good' }])
    for (let at = 17; at < 70; at++) {
      const bad = makeBatch([{ offset: 1, value: 'bad' }])
      if (at >= bad.length) break
      bad[at] = (bad[at] as number) ^ 4
      const seen: string[] = []
      const refusal = await refusalOf(decode([good, bad], 0, { seen }))
      expect(refusal.error.code).toBe('CORRUPT_RECORDS')
      expect(refusal.error.context).toMatchObject({ topic: 't', partition: 3, offset: 1 })
      expect(seen).toEqual(['0:good'])
    }
  })

  it('refuses records that are cut off though the checksum fits', async () => {
    const whole = makeBatch([{ offset: 0, value: 'x'.repeat(200) }])
    for (let cut = 1; cut < 205; cut += 3) {
      const bytes = seal(Buffer.from(whole.subarray(0, whole.length - cut)))
      const { error } = await refusalOf(decode([bytes], 0))
      expect(error.code).toBe('CORRUPT_RECORDS')
      // A move to anywhere within the batch would come to it again.
      expect(error.context).toEqual({ topic: 't', partition: 3, offset: 0, batchEnd: 1 })
      expect(error.message).toContain('ends before offset 1')
    }
  })

  it('takes no bomb', async () => {
    const bomb = makeBatch([{ offset: 0, value: 'x'.repeat(2_000_000) }], { attributes: 1 })
    const { error } = await refusalOf(decode([bomb], 0, { maxBatchBytes: 1_000_000 }))
    expect(error.code).toBe('RECORD_TOO_LARGE')
    // The size that the trailer tells may be a lie.
    const lying = makeBatch([{ offset: 0, value: 'x'.repeat(2_000_000) }], { attributes: 1 })
    lying.writeUInt32LE(10, lying.length - 4)
    const liar = await refusalOf(decode([seal(lying)], 0, { maxBatchBytes: 1_000_000 }))
    expect(['RECORD_TOO_LARGE', 'CORRUPT_RECORDS']).toContain(liar.error.code)
  })

  it('refuses the formats before 2 and codecs that there are not', async () => {
    const old = makeBatch([{ offset: 5 }])
    old[16] = 1
    expect((await refusalOf(decode([old], 5))).error.code).toBe('FORMAT_VERSION')
    for (const [codec, name] of [
      [2, 'snappy'],
      [3, 'lz4'],
      [6, 'number 6'],
    ] as const) {
      const batch = makeBatch([{ offset: 5 }], {})
      batch.writeInt16BE(codec, 21)
      const { error } = await refusalOf(decode([seal(batch)], 5))
      expect(error.code).toBe('UNSUPPORTED_CODEC')
      expect(error.message).toContain(name)
    }
  })

  it('makes room for no more records than there are bytes for, whatever a batch says', async () => {
    const batch = makeBatch([{ offset: 0, value: 'one' }])
    batch.writeInt32BE(2 ** 31 - 1, 57)
    const bytes = seal(batch)
    const header = readBatchHeader(bytes, 0)
    if (header === undefined) throw new Error('no batch')
    const opened = await decoder().open(bytes, [header], 0, 0, 1)
    const [open] = opened.batches as [OpenBatch]
    const twice = { ...opened, batches: [open, open] }
    expect(roomFor(twice)).toMatchObject({ rows: 2, valueBytes: 2 * (bytes.length - 61) })
    const negative = { ...opened, batches: [{ ...open, batch: { ...open.batch, count: -5 } }] }
    expect(roomFor(negative).rows).toBe(0)
    const builder = new RecordChunkBuilder('t', 3, 0, roomFor(negative))
    for (let row = 0; row < 3; row++) builder.append(row, 0, null, Buffer.from('more'))
    expect(builder.finish(3)).toMatchObject({ count: 3, byteLength: 12 })
  })

  it('leaves out aborted transactions of several producers that are under way at once', async () => {
    const tx = (producerId: bigint, records: Made[]) =>
      makeBatch(records, { attributes: 16, producerId })
    const marker = (producerId: bigint, offset: number, type: number) =>
      makeBatch([{ offset, key: Buffer.from([0, 0, 0, type]) }], { attributes: 48, producerId })
    const looksLikeAbort = Buffer.from([0, 0, 0, 0])
    const batches = [
      tx(1n, [{ offset: 0, value: 'aborted' }]),
      tx(2n, [{ offset: 1, value: 'aborted', key: looksLikeAbort }]),
      tx(3n, [{ offset: 2, value: 'kept' }]),
      tx(2n, [{ offset: 3, value: 'aborted' }]),
      makeBatch([{ offset: 4, value: 'kept', key: looksLikeAbort }], { producerId: 1n }),
      marker(2n, 5, 0),
      tx(2n, [{ offset: 6, value: 'kept' }]),
      marker(3n, 7, 1),
      tx(1n, [{ offset: 8, value: 'aborted' }]),
      marker(1n, 9, 0),
      marker(2n, 10, 1),
      tx(1n, [{ offset: 11, value: 'aborted again' }]),
    ]
    const aborted = [
      { producerId: 1n, firstOffset: 11 },
      { producerId: 2n, firstOffset: 1 },
      { producerId: 1n, firstOffset: 0 },
    ]
    expect(await decode(batches, 0, { aborted })).toEqual(['2:kept', '4:kept', '6:kept'])
    // From the middle: the broker tells of transactions that began before.
    expect(await decode(batches.slice(3), 3, { aborted })).toEqual(['4:kept', '6:kept'])
  })
})

describe('batches that are opened together', () => {
  it('give what they give one by one, whatever they are made of', async () => {
    const seed = Number(process.env['FLOE_SEED'] ?? Date.now() % 1e9)
    for (let round = 0; round < 60; round++) {
      const random = seededRandom(seed + round)
      const upTo = (most: number): number => Math.floor(random() * (most + 1))
      let offset = upTo(1000)
      const made = Array.from({ length: 1 + upTo(5) }, () => {
        const records = Array.from({ length: 1 + upTo(8) }, () => {
          offset += 1 + upTo(1) * upTo(3)
          const key = upTo(3) === 0 ? null : Buffer.from('k'.repeat(upTo(90)))
          const value = upTo(5) === 0 ? undefined : `${offset}${'v'.repeat(upTo(300))}`
          return value === undefined ? { offset, key } : { offset, key, value }
        })
        return makeBatch(records, { attributes: upTo(3) === 0 ? 0 : 1 })
      })
      const first = readBatchHeader(made[0] as Buffer, 0)?.baseOffset ?? 0
      const from = first + upTo(6)
      const where = `replay with FLOE_SEED=${seed + round}`
      expect(await decodeTogether(made, from), where).toEqual(await decode(made, from))
    }
  })

  it('lie in the memory that they were decompressed to', async () => {
    // More than the memory that Node shares among small buffers, which is not the same in each of its versions.
    const length = Math.ceil(Buffer.poolSize / 4)
    const made = [0, 2, 4].map((offset) =>
      makeBatch(
        [0, 1].map((i) => ({ offset: offset + i, value: `${offset + i}`.repeat(length) })),
        { attributes: 1 },
      ),
    )
    const bytes = Buffer.concat(made)
    const opened = await decoder().open(bytes, headers(made), 0, 0, 100 * length)
    expect(opened.batches).toHaveLength(3)
    const chunk = chunkOf(opened, 0)
    expect(opened.memory).toBeDefined()
    expect(chunk.values.bytes.buffer).toBe(opened.memory?.buffer)
    expect(Buffer.from(bytesAt(chunk.values, 5) ?? []).toString()).toBe('5'.repeat(length))
  })

  it('end with the first that is damaged, though its checksum fits', async () => {
    const batch = (offset: number): Buffer =>
      makeBatch([{ offset, value: `v${offset}` }], { attributes: 1 })
    const lying = batch(2)
    lying.writeUInt32LE(lying.readUInt32LE(lying.length - 4) + 1, lying.length - 4)
    const broken = batch(2)
    broken[61 + 12] = (broken[61 + 12] as number) ^ 0xff
    for (const bad of [lying, broken]) {
      const made = [batch(0), batch(1), seal(bad), batch(3)]
      const opened = await decoder().open(Buffer.concat(made), headers(made), 0, 0, 1_000_000)
      expect(opened.refused).toMatchObject({ offset: 2, error: { code: 'CORRUPT_RECORDS' } })
      expect(textsOf(chunkOf(opened, 0))).toEqual(['0:v0', '1:v1'])
    }
  })

  it('come with few at a time where trailers hide what they have', async () => {
    // A member of nothing at the end: by its trailer the whole batch has nothing.
    const hiding = [0, 1, 2, 3].map((offset) =>
      withStored(makeBatch([{ offset, value: `v${offset}`.repeat(500) }]), (body) =>
        Buffer.concat([gzipSync(body), gzipSync('')]),
      ),
    )
    const aborted = [
      makeBatch([{ offset: 4, value: 'aborted' }], { attributes: 17, producerId: 7n }),
      makeBatch([{ offset: 5, key: Buffer.from([0, 0, 0, 0]) }], {
        attributes: 48,
        producerId: 7n,
      }),
    ]
    const made = [...hiding, ...aborted, makeBatch([{ offset: 6, value: 'v6' }], { attributes: 1 })]
    const all = headers(made)
    const one = decoder({ aborted: [{ producerId: 7n, firstOffset: 4 }] })
    const seen: string[] = []
    const counts: number[] = []
    for (let at = 0; at < all.length; ) {
      const opened = await one.open(Buffer.concat(made), all, at, 0, 1500)
      expect(opened.refused).toBeUndefined()
      counts.push(opened.batches.length)
      at += opened.batches.length
      seen.push(...textsOf(chunkOf(opened, 0)))
    }
    expect(seen.map((text) => text.slice(0, 4))).toEqual(['0:v0', '1:v1', '2:v2', '3:v3', '6:v6'])
    expect(counts).toEqual([2, 2, 3])
  })

  it('never get records of another one, whatever they say of their sizes', async () => {
    const honest = makeBatch([{ offset: 1, value: 'honest' }], { attributes: 1 })
    const own = makeRecord({ offset: 0, value: 'own' }, 0)
    const forged = makeRecord({ offset: 1, value: 'forged' }, 1)
    // Zeros behind a member end the reading of all that follows.
    const zeros = Buffer.alloc(10)
    zeros.writeUInt32LE(own.length, 6)
    const forger = withStored(makeBatch([{ offset: 0 }]), () =>
      Buffer.concat([gzipSync(Buffer.concat([own, forged])), zeros]),
    )
    const opened = await decoder().open(
      Buffer.concat([forger, honest]),
      headers([forger, honest]),
      0,
      0,
      1_000_000,
    )
    const chunk = opened.refused === undefined ? chunkOf(opened, 0) : undefined
    expect(chunk === undefined ? [] : textsOf(chunk).join()).not.toContain('forged')
  })

  it('are decompressed by another thread where they are large', async () => {
    const noise = seededRandom(5)
    const value = (): string => Array.from({ length: 20_000 }, () => noise().toString(36)).join('')
    const values = [value(), value()]
    const made = values.map((text, offset) =>
      makeBatch([{ offset, value: text }], { attributes: 1 }),
    )
    const opened = await decoder().open(Buffer.concat(made), headers(made), 0, 0, 10_000_000)
    const chunk = chunkOf(opened, 0)
    expect(chunk.values.bytes.buffer).toBe(opened.memory?.buffer)
    expect(textsOf(chunk)).toEqual(values.map((text, offset) => `${offset}:${text}`))
  })

  it('have memory of their own also where they are small', async () => {
    const made = [makeBatch([{ offset: 0, value: 'small' }], { attributes: 1 })]
    const opened = await decoder().open(Buffer.concat(made), headers(made), 0, 0, 1000)
    const { bytes } = chunkOf(opened, 0).values
    expect(bytes.byteOffset).toBe(0)
    expect(bytes.buffer.byteLength).toBeLessThan(Buffer.poolSize)
  })

  it('are opened until they have enough', async () => {
    const made = [0, 1, 2, 3].map((offset) =>
      makeBatch([{ offset, value: 'x'.repeat(1000) }], { attributes: 1 }),
    )
    const opened = await decoder().open(Buffer.concat(made), headers(made), 1, 0, 1500)
    expect(opened.batches.map(({ batch }) => batch.baseOffset)).toEqual([1, 2])
  })
})

function decoder(
  options: { aborted?: AbortedTransaction[]; maxBatchBytes?: number } = {},
): BatchDecoder {
  const codecs = new Codecs({}, options.maxBatchBytes ?? 10_000_000)
  return new BatchDecoder(
    { topic: 't', partition: 3, maxRecordBytes: 10_000_000, codecs },
    options.aborted ?? [],
  )
}

/** Headers of batches that lie one after the other. */
function headers(batches: readonly Buffer[]): BatchHeader[] {
  const bytes = Buffer.concat(batches)
  let at = 0
  return batches.map((batch) => {
    const header = readBatchHeader(bytes, at) as BatchHeader
    at += batch.length
    return header
  })
}

/** A batch with other stored records, said to be gzip. */
function withStored(batch: Buffer, stored: (body: Buffer) => Buffer): Buffer {
  const head = Buffer.from(batch.subarray(0, 61))
  head.writeInt16BE(1, 21)
  return seal(Buffer.concat([head, stored(batch.subarray(61))]))
}

function chunkOf(opened: Opened, from: number): RecordChunk {
  const builder = new RecordChunkBuilder('t', 3, from, roomFor(opened))
  let next = from
  for (const open of opened.batches) {
    decoder().append(open, next, builder)
    next = Math.max(next, open.batch.lastOffset + 1)
  }
  return builder.finish(next)
}

function textsOf(chunk: RecordChunk): string[] {
  return Array.from({ length: chunk.count }, (_, row) => {
    const value = bytesAt(chunk.values, row)
    return `${chunk.offsets[row]}:${value === null ? null : Buffer.from(value).toString()}`
  })
}

async function decodeTogether(batches: readonly Buffer[], from: number): Promise<string[]> {
  const all = headers(batches)
  const opened = await decoder().open(Buffer.concat(batches), all, 0, from, 10_000_000)
  if (opened.refused !== undefined) throw opened.refused
  return textsOf(chunkOf(opened, from))
}

async function decode(
  batches: readonly Buffer[],
  from: number,
  options: { aborted?: AbortedTransaction[]; seen?: string[]; maxBatchBytes?: number } = {},
): Promise<string[]> {
  const bytes = Buffer.concat(batches)
  const one = decoder(options)
  const seen = options.seen ?? []
  let at = 0
  let next = from
  for (;;) {
    // A damaged length would cut batches elsewhere; where batches start is known here.
    const header = readBatchHeader(bytes, at)
    if (header === undefined) return seen
    const opened = await one.open(bytes, [header], 0, next, 1)
    if (opened.refused !== undefined) throw opened.refused
    const builder = new RecordChunkBuilder('t', 3, next, roomFor(opened))
    for (const open of opened.batches) one.append(open, next, builder)
    const chunk = builder.finish(header.lastOffset + 1)
    seen.push(...textsOf(chunk))
    at = header.to
    next = Math.max(next, chunk.end)
  }
}

async function refusalOf(work: Promise<unknown>): Promise<RefusedRecords> {
  try {
    await work
  } catch (error) {
    if (error instanceof RefusedRecords) return error
    throw error
  }
  throw new Error('nothing was refused')
}
