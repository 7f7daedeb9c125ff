/** CRC-32C against known values; keys go to the partitions that Kafka's clients choose. */
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/core/crc32c.ts'
import { murmur2, partitionOfKey } from '../../../src/stream/sources/log/partition-of-key.ts'

const require = createRequire(import.meta.url)

describe('crc32c', () => {
  it('gives the values of RFC 3720 §B.4', () => {
    const hex = (bytes: Uint8Array): string => crc32c(bytes).toString(16).padStart(8, '0')
    expect(hex(Buffer.from('123456789'))).toBe('e3069283')
    expect(hex(new Uint8Array(32))).toBe('8a9136aa')
    expect(hex(new Uint8Array(32).fill(0xff))).toBe('62a8ab43')
    expect(hex(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe('46dd794e')
    expect(hex(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe('113fdb5c')
    // The iSCSI command that the RFC gives: a read of ten bytes.
    const read10 = new Uint8Array(48)
    const set = { 0: 0x01, 1: 0xc0, 16: 0x14, 22: 0x04, 27: 0x14, 31: 0x18, 32: 0x28, 40: 0x02 }
    for (const [at, byte] of Object.entries(set)) read10[Number(at)] = byte
    expect(hex(read10)).toBe('d9963a56')
    expect(hex(new Uint8Array(0))).toBe('00000000')
  })

  it('is the same for any range, and in parts', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 37) & 0xff)
    for (let start = 0; start < 20; start++) {
      for (let end = start; end < 60; end++) {
        const whole = crc32c(bytes.slice(start, end))
        expect(crc32c(bytes, start, end)).toBe(whole)
        const middle = (start + end) >>> 1
        expect(crc32c(bytes, middle, end, crc32c(bytes, start, middle))).toBe(whole)
      }
    }
  })
})

describe('the partition of a key', () => {
  it('is the one that Kafka chooses', () => {
    const theirs = require('kafkajs/src/producer/partitioners/default/murmur2.js') as (
      key: Buffer | string,
    ) => number
    for (let i = 0; i < 2000; i++) {
      const key = Buffer.from(Array.from({ length: i % 23 }, (_, j) => (i * 131 + j * 57) & 0xff))
      expect(murmur2(key)).toBe(theirs(key))
    }
  })

  it('is the one of the default partitioner of kafkajs', () => {
    const { Partitioners } = require('kafkajs') as {
      Partitioners: { DefaultPartitioner: () => (of: unknown) => number }
    }
    const choose = Partitioners.DefaultPartitioner()
    const partitionMetadata = Array.from({ length: 12 }, (_, partitionId) => ({
      partitionId,
      leader: 1,
    }))
    for (let i = 0; i < 1000; i++) {
      const key = `key-${i}-ü`
      const theirs = choose({ topic: 't', partitionMetadata, message: { key, value: '' } })
      expect(partitionOfKey(Buffer.from(key), 12)).toBe(theirs)
    }
  })
})
