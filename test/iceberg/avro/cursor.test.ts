/** The primitives of Avro's binary encoding: what the sink writes the cursor reads, and nothing beyond the end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { AvroBudget } from '../../../src/iceberg/avro/budget.ts'
import { AvroCursor } from '../../../src/iceberg/avro/cursor.ts'
import { AvroSink } from '../../../src/iceberg/avro/sink.ts'

function cursorOf(bytes: Uint8Array | readonly number[], limits = DEFAULT_LIMITS): AvroCursor {
  return new AvroCursor(Uint8Array.from(bytes), new AvroBudget('test.avro', limits))
}

function encode(write: (sink: AvroSink) => void): Uint8Array {
  const sink = new AvroSink(1)
  write(sink)
  return sink.toBytes()
}

/** Zigzag and varint of the Avro specification, by bigint. */
function reference(value: bigint): number[] {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return bytes
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
/** Powers of two and their neighbours: where a byte more is needed. */
const edge = fc
  .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: -1, max: 1 }), fc.boolean())
  .map(([power, add, negative]) => {
    const value = 2n ** BigInt(power) + BigInt(add)
    return BigInt.asIntN(64, negative ? -value : value)
  })

describe('longs', () => {
  it('are written as the specification says and read back, at all sizes', () => {
    fc.assert(
      fc.property(fc.oneof(int64, edge), (value) => {
        const bytes = encode((sink) => sink.writeBigLong(value))
        expect([...bytes]).toEqual(reference(value))
        expect(cursorOf(bytes).readId()).toBe(value)
        expect(cursorOf(bytes).readBigLong()).toBe(value)
        const skipped = cursorOf(bytes)
        skipped.skipVarints(1)
        expect(skipped.remaining).toBe(0)
      }),
      { numRuns: 5_000 },
    )
  })

  it('below 2^53 are numbers, exactly', () => {
    const safe = fc.oneof(
      fc.maxSafeInteger(),
      edge.filter((v) => Number.isSafeInteger(Number(v))).map(Number),
    )
    fc.assert(
      fc.property(safe, (value) => {
        const bytes = encode((sink) => sink.writeLong(value))
        expect([...bytes]).toEqual(reference(BigInt(value)))
        expect(cursorOf(bytes).readLong()).toBe(value)
      }),
      { numRuns: 5_000 },
    )
  })

  it('beyond 2^53 are refused where a number is needed, never rounded', () => {
    const bytes = encode((sink) => sink.writeBigLong(2n ** 53n))
    expect(() => cursorOf(bytes).readLong()).toThrow(/beyond 2\^53.*\[CORRUPT_AVRO\]/)
    expect(() => encode((sink) => sink.writeLong(2 ** 53))).toThrow(/VALUE_OUT_OF_RANGE/)
    expect(() => encode((sink) => sink.writeLong(0.5))).toThrow(/VALUE_OUT_OF_RANGE/)
    expect(() => encode((sink) => sink.writeBigLong(2n ** 63n))).toThrow(/VALUE_OUT_OF_RANGE/)
  })

  it('of more than ten bytes or 64 bits are corrupt', () => {
    expect(() => cursorOf([...Array(10).fill(0xff), 1]).readId()).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf([...Array(9).fill(0xff), 2]).readId()).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf(Array(5).fill(0x80)).readLong()).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf([0xfe, 0xff, 0xff, 0xff, 0x1f]).readInt()).toThrow(/an int has the value/)
  })

  it('that repeat are one bigint each time they change', () => {
    const ids = [5n, 5n, 2n ** 62n, 2n ** 62n, -1n, 0n, 5n]
    const cursor = cursorOf(
      encode((sink) => {
        for (const id of ids) sink.writeBigLong(id)
      }),
    )
    expect(ids.map(() => cursor.readId())).toEqual(ids)
  })
})

describe('other primitives', () => {
  it('round trip', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.uint8Array({ maxLength: 100 }),
        fc.double(),
        fc.float(),
        fc.boolean(),
        (text, bytes, double, float, flag) => {
          const cursor = cursorOf(
            encode((sink) => {
              sink.writeString(text)
              sink.writeBytes(bytes)
              sink.writeDouble(double)
              sink.writeFloat(float)
              sink.writeBoolean(flag)
            }),
          )
          expect(cursor.readString()).toBe(text)
          expect(cursor.readBytes()).toEqual(bytes)
          expect(cursor.readDouble()).toBe(double)
          expect(cursor.readFloat()).toBe(float)
          expect(cursor.readBoolean()).toBe(flag)
          cursor.expectEnd()
        },
      ),
    )
  })

  it('bytes are copies, so that they do not keep the block', () => {
    for (const size of [3, 100]) {
      const block = encode((sink) => sink.writeBytes(new Uint8Array(size)))
      const value = cursorOf(block).readBytes()
      expect(value.buffer.byteLength).toBe(size)
    }
  })

  it('a string that is not UTF-8 is corrupt, one that holds U+FFFD is not', () => {
    expect(() => cursorOf([4, 0xc3, 0x28]).readString()).toThrow(/not valid UTF-8/)
    expect(cursorOf(encode((s) => s.writeString('a\ufffdb'))).readString()).toBe('a\ufffdb')
  })

  it('half a surrogate pair is refused on writing', () => {
    expect(() => encode((sink) => sink.writeString('a\ud800'))).toThrow(/VALUE_OUT_OF_RANGE/)
    expect(() => encode((sink) => sink.writeString('😀'))).not.toThrow()
  })

  it('names the file and the place', () => {
    try {
      cursorOf([2]).readString()
      expect.unreachable()
    } catch (error) {
      expect(isFloeError(error, 'CORRUPT_AVRO')).toBe(true)
      expect(error).toMatchObject({ context: { file: 'test.avro', offset: 1 } })
      expect((error as Error).message).toContain('test.avro')
    }
  })
})

describe('declared sizes (reliability.md §3)', () => {
  const long = (value: number): number[] => reference(BigInt(value))

  it('are checked against what is left before anything is allocated', () => {
    expect(() => cursorOf([...long(2 ** 40), 1, 2]).readBytes()).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf(long(-1)).readString()).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf([...long(5_000_000), 0]).readCount(1)).toThrow(/CORRUPT_AVRO/)
    expect(() => cursorOf([...long(-5_000_000), ...long(4)]).readCount(1)).toThrow(/CORRUPT_AVRO/)
  })

  it('of items without bytes are charged to one budget of the file', () => {
    const limits = resolveLimits({ avroBlockBytes: 256 * 2000 })
    const cursor = cursorOf([...long(1500), ...long(1500)], limits)
    expect(cursor.readCount(0)).toBe(1500)
    expect(() => cursor.readCount(0)).toThrow(/avroBlockBytes.*\[LIMIT_EXCEEDED\]/)
    const skipping = cursorOf(long(5_000_000), limits)
    expect(() => skipping.readCountToSkip(0)).toThrow(/LIMIT_EXCEEDED/)
  })

  it('pass over blocks that state their size', () => {
    // Two items in three bytes, then the end.
    const cursor = cursorOf([...long(-2), ...long(3), 9, 9, 9, 0])
    expect(cursor.readCountToSkip(1)).toBe(0)
    expect(cursor.remaining).toBe(0)
  })

  it('pass over pairs of keys and bytes, short and long', () => {
    const bytes = encode((sink) => {
      for (const size of [0, 5, 63, 64, 300]) {
        sink.writeLong(size * 1000)
        sink.writeBytes(new Uint8Array(size))
      }
    })
    const cursor = cursorOf(bytes)
    cursor.skipKeyedBytes(5)
    expect(cursor.remaining).toBe(0)
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(() => cursorOf(bytes.subarray(0, cut)).skipKeyedBytes(5)).toThrow(/CORRUPT_AVRO/)
    }
  })
})
