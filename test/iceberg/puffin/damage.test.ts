import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import {
  decodeDeletionVector,
  encodeDeletionVector,
} from '../../../src/iceberg/puffin/deletion-vector.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import {
  decodePuffinFooter,
  encodePuffin,
  fetchPuffinFooter,
  readBlob,
} from '../../../src/iceberg/puffin/puffin-file.ts'
import { decodeRoaring, encodeRoaring } from '../../../src/iceberg/puffin/roaring-codec.ts'
import { errorOf, rejectionOf } from '../../support/expect-error.ts'

const limits = DEFAULT_LIMITS
const source = { file: 'x.puffin', limits }
const CODES = [
  'CORRUPT_DELETES',
  'CORRUPT_PUFFIN',
  'CHECKSUM_MISMATCH',
  'UNSUPPORTED_CODEC',
  'LIMIT_EXCEEDED',
]

/** Runs a decoder on damaged bytes: it returns or throws one of our errors. */
function survive(task: () => unknown): unknown {
  try {
    return task()
  } catch (error) {
    expect(isFloeError(error) && CODES.includes(error.code), String(error)).toBe(true)
    return undefined
  }
}

describe('damaged deletion vectors', () => {
  const vector = encodeDeletionVector(PositionBitmap.of([1, 3, 70_000, 2 ** 33]))

  it('every flipped bit is found by the checksum', () => {
    for (let bit = 0; bit < vector.length * 8; bit++) {
      const bytes = vector.slice()
      bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7))
      let failed = false
      try {
        decodeDeletionVector(bytes, source)
      } catch (error) {
        failed = isFloeError(error)
      }
      expect(failed).toBe(true)
    }
    for (let length = 0; length < vector.length; length++) {
      const cut = (): unknown => decodeDeletionVector(vector.slice(0, length), source)
      expect(cut).toThrow(/x\.puffin/)
    }
    errorOf('CHECKSUM_MISMATCH', () => {
      const bytes = vector.slice()
      bytes[20] = (bytes[20] as number) ^ 1
      decodeDeletionVector(bytes, source)
    })
  })

  it('a few bytes do not make gigabytes: announced containers are held against the limit', () => {
    const runs = PositionBitmap.of(Array.from({ length: 65_536 * 8 }, (_, i) => i))
    const bytes = encodeRoaring(runs)
    expect(bytes.length).toBeLessThan(200)
    expect(decodeRoaring(bytes, source).cardinality).toBe(65_536 * 8)
    errorOf('LIMIT_EXCEEDED', () =>
      decodeRoaring(bytes, { file: 'x', limits: resolveLimits({ deleteFileBytes: 8192 * 4 }) }),
    )
  })

  it('changed bytes of bitmaps and Puffin files give typed errors or values', () => {
    const bitmap = encodeRoaring(PositionBitmap.of(Array.from({ length: 9000 }, (_, i) => i * 7)))
    const puffin = encodePuffin(
      [
        {
          type: 'deletion-vector-v1',
          fields: [2147483645],
          snapshotId: -1n,
          sequenceNumber: -1,
          properties: { cardinality: '4' },
          bytes: vector,
        },
      ],
      { 'created-by': 'test' },
    ).bytes
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat()),
        (edits, cut) => {
          for (const original of [bitmap, puffin]) {
            let bytes = original.slice()
            for (const [at, value] of edits) bytes[at % bytes.length] = value
            if (cut !== null) bytes = bytes.slice(0, cut % bytes.length)
            if (original === bitmap) survive(() => decodeRoaring(bytes, source))
            else {
              survive(() =>
                decodePuffinFooter(bytes, 'x').blobs.map((b) =>
                  readBlob(bytes, b, { file: 'x', limits }),
                ),
              )
            }
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('the footer of a file that is not read as a whole', () => {
  const file = (blobs: number): Uint8Array =>
    encodePuffin(
      Array.from({ length: blobs }, (_, i) => ({
        type: 'deletion-vector-v1',
        fields: [2147483645],
        snapshotId: -1n,
        sequenceNumber: -1,
        properties: { 'referenced-data-file': `file:///table/data/${i}.parquet` },
        bytes: encodeDeletionVector(PositionBitmap.of([i])),
      })),
      {},
    ).bytes

  const fetchFrom = (
    bytes: Uint8Array,
    options: { sizeBytes?: number; limits?: typeof limits } = {},
  ): { read: number[]; footer: ReturnType<typeof fetchPuffinFooter> } => {
    const read: number[] = []
    const footer = fetchPuffinFooter({
      file: 'x.puffin',
      sizeBytes: options.sizeBytes ?? bytes.length,
      limits: options.limits ?? limits,
      read: (offset, length) => {
        read.push(length)
        return Promise.resolve(bytes.subarray(offset, offset + length))
      },
    })
    return { read, footer }
  }

  it('is what it is in memory, small or large, and leaves the blobs alone', async () => {
    for (const blobs of [0, 1, 3000]) {
      const bytes = file(blobs)
      const { read, footer } = fetchFrom(bytes)
      expect(await footer).toEqual(decodePuffinFooter(bytes, 'x.puffin'))
      expect(read).toHaveLength(blobs === 3000 ? 3 : 2)
    }
  })

  it('is refused if it is damaged, larger than allowed, or not where the size says', async () => {
    const bytes = file(3)
    for (const at of [0, bytes.length - 1, bytes.length - 12]) {
      const damaged = bytes.slice()
      damaged[at] = (damaged[at] as number) ^ 0x55
      await rejectionOf('CORRUPT_PUFFIN', fetchFrom(damaged).footer)
    }
    for (const sizeBytes of [0, 3, 15, bytes.length - 1, bytes.length + 1]) {
      await rejectionOf('CORRUPT_PUFFIN', fetchFrom(bytes, { sizeBytes }).footer)
    }
    const small = resolveLimits({ deleteFileBytes: 100_000 })
    await rejectionOf('LIMIT_EXCEEDED', fetchFrom(file(3000), { limits: small }).footer)
  })
})
