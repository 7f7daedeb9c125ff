/** Raw Snappy: the elements of the format, and data that is not Snappy. The corpus has whole files. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { snappyDecode, snappyLength } from '../../../src/iceberg/avro/snappy.ts'

const text = (value: string): number[] => [...new TextEncoder().encode(value)]

describe('snappy', () => {
  it('decodes literals, copies of each width, and copies that overlap', () => {
    // "abcd", then 8 bytes from 4 back, then 5 from 1 back by a two-byte offset, then 1 from 3 back by four bytes.
    const data = Uint8Array.of(
      18,
      ...[(4 - 1) << 2, ...text('abcd')],
      ...[1 | ((8 - 4) << 2), 4],
      ...[2 | ((5 - 1) << 2), 1, 0],
      ...[3 | ((1 - 1) << 2), 3, 0, 0, 0],
    )
    expect(snappyLength(data)).toBe(18)
    expect(new TextDecoder().decode(snappyDecode(data))).toBe('abcdabcdabcddddddd')
  })

  it('decodes long literals', () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i & 255)
    const length = [0xf0, 0xa2, 0x04]
    const two = Uint8Array.of(...length, 62 << 2, 0x6f, 0x11, 1, ...bytes)
    expect(snappyDecode(two)).toEqual(bytes)
  })

  it.each([
    ['nothing', []],
    ['a length without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
    ['a length that the data cannot make', [0xff, 0xff, 0xff, 0x7f, 0, 65]],
    ['fewer bytes than declared', [5, 0, 65]],
    ['more bytes than declared', [1, 4, 65, 66]],
    ['a literal that is cut', [4, 12, 65]],
    ['a copy from before the start', [4, 0, 65, 1, 2]],
    ['a copy from nowhere', [5, 0, 65, 1, 0]],
    ['a copy that is cut', [5, 0, 65, 2, 1]],
  ])('refuses %s', (_what, data) => {
    expect(snappyDecode(Uint8Array.from(data as number[]))).toBeUndefined()
  })

  it('never fails otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
        const out = snappyDecode(data)
        if (out !== undefined) expect(out).toHaveLength(snappyLength(data) as number)
      }),
      { numRuns: 5_000 },
    )
  })
})
