import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import {
  decodeDeletionVector,
  encodeDeletionVector,
} from '../../../src/iceberg/puffin/deletion-vector.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import {
  decodePuffinFooter,
  encodePuffin,
  readBlob,
} from '../../../src/iceberg/puffin/puffin-file.ts'
import { decodeRoaring, decodeRoaring32 } from '../../../src/iceberg/puffin/roaring-codec.ts'
import { corpusIndex, corpusPath, describeCorpus } from '../../support/corpus.ts'

const limits = DEFAULT_LIMITS
const load = (path: string): Uint8Array => readFileSync(corpusPath(path))
const source = { file: 'corpus', limits }

function* range(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i
}

const HIGH = 2 ** 32
const ALL_CONTAINER_TYPES = [
  ...[5, 7],
  ...range(65_536 + 1, 65_536 + 1000),
  ...range(131_072 + 1, 131_072 + 65_535),
  ...[HIGH + 10, HIGH + 20],
  ...range(HIGH + 65_536 + 10, HIGH + 65_536 + 500),
  ...range(HIGH + 131_072 + 1, HIGH + 131_072 + 65_535),
]

describeCorpus('vectors and Puffin files of other engines', () => {
  it('vectors have the positions that were put into them; ours are the same bytes', () => {
    for (const [name, positions] of [
      ['small-alternating-values', [1, 3, 5, 7, 9]],
      ['small-and-large-values', [100, 101, 2_147_483_747, 2_147_483_748]],
      ['all-container-types', ALL_CONTAINER_TYPES],
    ] as const) {
      const bytes = load(`roaring/dv/${name}-position-index.bin`)
      const bitmap = decodeDeletionVector(bytes, source)
      expect(bitmap.toArray()).toEqual(Float64Array.from(positions))
      expect(Buffer.compare(encodeDeletionVector(PositionBitmap.of(positions)), bytes)).toBe(0)
      expect(Buffer.compare(encodeDeletionVector(bitmap), bytes)).toBe(0)
    }
    const empty = load('roaring/dv/empty-position-index.bin')
    expect(decodeDeletionVector(empty, source).isEmpty).toBe(true)
  })

  it('roaring bitmaps of other libraries', () => {
    const expected = new Set<number>()
    for (let i = 0; i < 100_000; i += 1000) expected.add(i)
    for (let i = 100_000; i < 200_000; i++) expected.add(3 * i)
    for (let i = 700_000; i < 800_000; i++) expected.add(i)
    for (const name of ['bitmapwithruns', 'bitmapwithoutruns']) {
      const bitmap = decodeRoaring32(load(`roaring/portable32/${name}.bin`), source)
      expect(bitmap.cardinality).toBe(200_100)
      expect(new Set(bitmap.positions())).toEqual(expected)
    }
    const large = decodeRoaring(load('roaring/portable64/bitmap64.bin'), source)
    expect(large.cardinality).toBe(1_032_769)
    expect(large.last).toBe(2 ** 48)
  })

  it('damaged bitmaps give typed errors and no large allocation', () => {
    let checked = 0
    for (const entry of corpusIndex()) {
      if (entry.kind !== 'roaring32' && entry.kind !== 'roaring64') continue
      const decode = entry.kind === 'roaring32' ? decodeRoaring32 : decodeRoaring
      let failure: unknown
      try {
        decode(load(entry.path), source)
      } catch (error) {
        failure = error
      }
      if (failure !== undefined) expect(isFloeError(failure, 'CORRUPT_DELETES')).toBe(true)
      if (entry.kind === 'roaring64' && entry['expected_error'] !== undefined) {
        expect(isFloeError(failure, 'CORRUPT_DELETES')).toBe(true)
      }
      checked++
    }
    expect(checked).toBeGreaterThanOrEqual(18)
  })

  it('Puffin files: footers, plain and compressed blobs', () => {
    for (const codec of ['uncompressed', 'compressed-zstd']) {
      const file = `puffin/sample-metric-data-${codec}.bin`
      const bytes = load(file)
      const footer = decodePuffinFooter(bytes, file)
      expect({ ...footer.properties }).toEqual({ 'created-by': 'Test 1234' })
      const texts = footer.blobs.map((b) =>
        Buffer.from(readBlob(bytes, b, { file, limits })).toString(),
      )
      expect(texts[0]).toBe('abcdefghi')
      expect(texts[1]).toMatch(/^some blob \0 binary data 🤯 that is not very/)
    }
  })

  it('Puffin files of two vectors', () => {
    const file = 'puffin/multi-blob-dv.puffin'
    const bytes = load(file)
    const found = decodePuffinFooter(bytes, file).blobs.map((blob) => [
      blob.properties['referenced-data-file']?.replace(/.*\//, ''),
      [
        ...decodeDeletionVector(readBlob(bytes, blob, { file, limits }), {
          file,
          limits,
        }).positions(),
      ],
    ])
    expect(found).toEqual([
      ['file-001.parquet', [0, 100, 200]],
      ['file-002.parquet', [50, 150]],
    ])
  })

  it('ours are byte for byte those of the reference implementation', () => {
    for (const name of [
      'empty-puffin-uncompressed.bin',
      'sample-metric-data-uncompressed.bin',
      'single-blob-dv.puffin',
      'multi-blob-dv.puffin',
    ]) {
      const bytes = load(`puffin/${name}`)
      const footer = decodePuffinFooter(bytes, name)
      const blobs = footer.blobs.map((b) => ({
        ...b,
        bytes: readBlob(bytes, b, { file: name, limits }),
      }))
      const again = encodePuffin(
        blobs.map(({ offset: _o, length: _l, ...blob }) => blob),
        footer.properties,
      )
      expect(Buffer.from(again.bytes).toString('latin1')).toBe(
        Buffer.from(bytes).toString('latin1'),
      )
    }
  })
})
