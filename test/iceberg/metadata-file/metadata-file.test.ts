/** Metadata files: names, compression, bounds (iceberg-writer.md items 22, 23). */
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { resolveLimits } from '../../../src/core/limits.ts'
import {
  decodeMetadataFile,
  encodeMetadataFile,
  metadataFileVersion,
  metadataJsonBytes,
  nextMetadataFileName,
} from '../../../src/iceberg/metadata-file/metadata-file.ts'
import { errorOf } from '../../support/expect-error.ts'
import { fakeRuntime } from '../../support/fake-runtime.ts'
import { commit, newTable } from '../spec/table-fixture.ts'

const limits = resolveLimits()
const FILE = 's3://b/t/metadata/00001-a.metadata.json'
const GZIP = { 'write.metadata.compression-codec': 'gzip' }

/** A zstd frame with one raw or run-length block; RFC 8878 §3.1.1. */
function zstdFrame(block: { raw: Uint8Array } | { byte: number; length: number }): Uint8Array {
  const size = 'raw' in block ? block.raw.length : block.length
  const header = (size << 3) | ('raw' in block ? 0 : 2) | 1
  const body = 'raw' in block ? [...block.raw] : [block.byte]
  // No content size, a window of 1 MiB.
  return Uint8Array.of(
    0x28,
    0xb5,
    0x2f,
    0xfd,
    0,
    80,
    header & 255,
    (header >> 8) & 255,
    header >> 16,
    ...body,
  )
}

describe('round trip', () => {
  it('plain by default', () => {
    const m = commit(newTable(), 2n ** 63n - 1n)
    const bytes = encodeMetadataFile(m)
    expect(bytes[0]).toBe(0x7b)
    expect(decodeMetadataFile(bytes, FILE, limits)).toEqual(m)
  })

  it('gzip where the table asks for it (item 22)', () => {
    const m = newTable({ properties: GZIP })
    const bytes = encodeMetadataFile(m)
    expect([...bytes.slice(0, 2)]).toEqual([0x1f, 0x8b])
    expect(gunzipSync(bytes)[0]).toBe(0x7b)
    expect(decodeMetadataFile(bytes, FILE, limits)).toEqual(m)
  })

  it('tells the size of the JSON, however it is stored', () => {
    const m = newTable({ properties: GZIP })
    expect(metadataJsonBytes(m)).toBe(undefined)
    const bytes = encodeMetadataFile(m)
    const size = gunzipSync(bytes).length
    expect(metadataJsonBytes(m)).toBe(size)
    expect(metadataJsonBytes(decodeMetadataFile(bytes, FILE, limits))).toBe(size)
  })

  it('zstd is read', () => {
    const m = newTable()
    expect(decodeMetadataFile(zstdFrame({ raw: encodeMetadataFile(m) }), FILE, limits)).toEqual(m)
  })

  it('is told by the bytes, whatever the name says', () => {
    const m = newTable()
    expect(decodeMetadataFile(encodeMetadataFile(m), 'a.gz.metadata.json', limits)).toEqual(m)
    expect(decodeMetadataFile(gzipSync(encodeMetadataFile(m)), 'v1.metadata.json', limits)).toEqual(
      m,
    )
  })
})

describe('names (item 23)', () => {
  const runtime = fakeRuntime()
  const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'

  it.each([
    [null, '00000'],
    ['s3://b/t/metadata/00000-x.metadata.json', '00001'],
    ['s3://b/t/metadata/00041-x.gz.metadata.json', '00042'],
    ['/a/v7.metadata.json', '00008'],
    ['/a/v7.gz.metadata.json', '00008'],
    ['/a/99999-x.metadata.json', '100000'],
    ['/a/vfinal.metadata.json', '00000'],
    ['/a/metadata.json', '00000'],
  ])('after %s comes %s', (previous, version) => {
    const pattern = new RegExp(`^${version}-${UUID}\\.metadata\\.json$`)
    expect(nextMetadataFileName(runtime, previous, 'none')).toMatch(pattern)
  })

  it('say the codec, by which other readers decompress (item 22)', () => {
    expect(nextMetadataFileName(runtime, null, 'gzip')).toMatch(/^00000-.{36}\.gz\.metadata\.json$/)
  })

  it('are never the same twice', () => {
    const names = Array.from({ length: 100 }, () => nextMetadataFileName(runtime, null, 'none'))
    expect(new Set(names).size).toBe(100)
  })

  it('the version of a name', () => {
    expect(metadataFileVersion('/00007-a/00009-b.metadata.json')).toBe(9)
    expect(metadataFileVersion('v1749025517.metadata.json')).toBe(1_749_025_517)
    expect(metadataFileVersion(`${'9'.repeat(400)}-a.metadata.json`)).toBe(-1)
  })
})

describe('hostile and broken files', () => {
  const small = resolveLimits({ metadataBytes: 10_000 })

  it.each([
    ['plain', new Uint8Array(10_001).fill(0x20)],
    ['gzip that decompresses a thousandfold', gzipSync(new Uint8Array(5_000_000).fill(0x20))],
    ['zstd of one byte repeated', zstdFrame({ byte: 0x20, length: 100_000 })],
  ])('%s is bounded by metadataBytes', (_, bytes) => {
    const error = errorOf('LIMIT_EXCEEDED', () => decodeMetadataFile(bytes, FILE, small))
    expect(error.context).toMatchObject({ limit: 'metadataBytes', max: 10_000 })
    expect(error.message).toContain(FILE)
  })

  it.each([
    ['truncated gzip', gzipSync(encodeMetadataFile(newTable())).subarray(0, 100)],
    [
      'gzip with a wrong checksum',
      (() => {
        const bytes = gzipSync(encodeMetadataFile(newTable()))
        bytes[bytes.length - 6] = (bytes[bytes.length - 6] as number) ^ 1
        return bytes
      })(),
    ],
    ['truncated zstd', zstdFrame({ raw: encodeMetadataFile(newTable()) }).subarray(0, 100)],
  ])('%s does not decompress', (_, bytes) => {
    expect(errorOf('BAD_METADATA', () => decodeMetadataFile(bytes, FILE, limits)).context).toEqual({
      file: FILE,
    })
  })

  it('truncated JSON, at every place', () => {
    const bytes = encodeMetadataFile(commit(newTable({ partitionBy: ['day(ts)'] }), 1n))
    for (let length = 0; length < bytes.length; length++) {
      errorOf('BAD_JSON', () => decodeMetadataFile(bytes.subarray(0, length), FILE, limits))
    }
  })

  it('a schema of too many fields', () => {
    const m = newTable()
    const fields = Array.from({ length: 50 }, (_, i) => ({
      id: i + 1,
      name: `c${i}`,
      required: true,
      type: 'int',
    }))
    const json = JSON.parse(new TextDecoder().decode(encodeMetadataFile(m))) as {
      schemas: object[]
    }
    json.schemas = [{ ...json.schemas[0], fields }]
    const bytes = new TextEncoder().encode(JSON.stringify(json))
    decodeMetadataFile(bytes, FILE, resolveLimits({ schemaFields: 50 }))
    const error = errorOf('LIMIT_EXCEEDED', () =>
      decodeMetadataFile(bytes, FILE, resolveLimits({ schemaFields: 49 })),
    )
    expect(error.context).toMatchObject({ limit: 'schemaFields', value: 50, max: 49 })
  })

  it('nesting beyond the limit', () => {
    const bytes = new TextEncoder().encode(`{"x":${'['.repeat(100_000)}`)
    errorOf('BAD_JSON', () => decodeMetadataFile(bytes, FILE, limits))
  })
})
