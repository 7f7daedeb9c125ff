/** Footers: bounded reads, identity over everything that other writers wrote, and nothing but typed errors. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { buildFileSchema } from '../../../src/iceberg/parquet/file-schema.ts'
import {
  MAGIC,
  parseFooter,
  parseWholeFile,
  readFooter,
  serializeFooter,
} from '../../../src/iceberg/parquet/footer.ts'
import type { FileMetaData } from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { corpusPath, describeCorpus } from '../../support/corpus.ts'
import { startCpuTimer } from '../../support/cpu-time.ts'

const FOLDERS = ['encodings', 'parquet-testing', 'geospatial', 'bad']

function corpusFiles(folder: string): string[] {
  const root = corpusPath(`parquet/${folder}`)
  return readdirSync(root).flatMap((name) => {
    if (statSync(`${root}/${name}`).isDirectory()) return corpusFiles(`${folder}/${name}`)
    return name.endsWith('.parquet') ? [`parquet/${folder}/${name}`] : []
  })
}

function footerBytes(file: Uint8Array): Uint8Array {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(file.length - 8, true)
  return file.subarray(file.length - 8 - length, file.length - 8)
}

const sample: FileMetaData = {
  version: 1,
  schema: [
    { name: 'table', num_children: 1 },
    { name: 'x', type: 1, repetition_type: 1, field_id: 1 },
  ],
  num_rows: 0,
  row_groups: [],
  created_by: 'a test',
}

function fileOf(metadata: FileMetaData, padding = 0): Uint8Array {
  return Buffer.concat([MAGIC, new Uint8Array(padding), serializeFooter(metadata)])
}

async function put(bytes: Uint8Array): Promise<{ store: CountingStore; path: string }> {
  const store = new CountingStore(systemRuntime)
  await store.put('memory://f/x.parquet', bytes)
  return { store, path: 'memory://f/x.parquet' }
}

class CountingStore extends MemoryStore {
  readonly ranges: number[] = []
  override get(...args: Parameters<MemoryStore['get']>): Promise<Uint8Array> {
    this.ranges.push(args[1]?.range?.length ?? -1)
    return super.get(...args)
  }
}

describe('footer', () => {
  it('is read in one request, and in a second one if it is longer than 64 KiB', async () => {
    const small = await put(fileOf(sample, 200_000))
    const limits = DEFAULT_LIMITS
    const footer = await readFooter(small.store, small.path, { limits })
    expect(footer.metadata).toEqual(sample)
    expect(footer.wholeFile).toBeUndefined()
    expect(small.store.ranges).toEqual([65_536])

    const long: FileMetaData = {
      ...sample,
      key_value_metadata: [{ key: 'k', value: 'v'.repeat(150_000) }],
    }
    const large = await put(fileOf(long, 1000))
    const read = await readFooter(large.store, large.path, { limits })
    expect(read.metadata).toEqual(long)
    expect(large.store.ranges.length).toBe(2)
    expect(read.offset).toBe(1004)
  })

  it('keeps the whole of a small file, which saves the reads of its columns', async () => {
    const { store, path } = await put(fileOf(sample, 100))
    const footer = await readFooter(store, path, { limits: DEFAULT_LIMITS })
    expect(footer.wholeFile?.length).toBe(footer.fileSizeBytes)
    expect(store.ranges.length).toBe(1)
  })

  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'CORRUPT_PARQUET'],
    ['a file of the magic alone', MAGIC, 'CORRUPT_PARQUET'],
    ['no magic at the end', fileOf(sample).subarray(0, -1), 'CORRUPT_PARQUET'],
    ['text', new TextEncoder().encode('not a parquet file at all'), 'CORRUPT_PARQUET'],
    ['an encrypted footer', withTail(fileOf(sample), 'PARE'), 'ENCRYPTED_FILE'],
    ['a footer longer than the file', withLength(fileOf(sample), 0x7fffffff), 'CORRUPT_PARQUET'],
    ['a footer that is cut', withLength(fileOf(sample), 20), 'CORRUPT_PARQUET'],
    ['an empty schema', fileOf({ ...sample, schema: [] }), 'CORRUPT_PARQUET'],
    ['encrypted columns', fileOf({ ...sample, encryption_algorithm: {} }), 'ENCRYPTED_FILE'],
    ['negative rows', fileOf({ ...sample, num_rows: -1 }), 'CORRUPT_PARQUET'],
  ])('refuses %s', async (_, bytes, code) => {
    const { store, path } = await put(bytes)
    const error = await readFooter(store, path, { limits: DEFAULT_LIMITS }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code })
    expect((error as Error).message).toContain(path)
  })

  it('says so if the file is not there or shorter than said', async () => {
    const { store, path } = await put(fileOf(sample))
    const limits = DEFAULT_LIMITS
    const missing = readFooter(store, 'memory://f/none', { limits })
    await expect(missing).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    const short = readFooter(store, path, { limits, sizeBytes: 10_000 })
    await expect(short).rejects.toMatchObject({ code: 'CORRUPT_PARQUET' })
  })

  it('obeys the limits of footer bytes and schema fields before it allocates', async () => {
    const { store, path } = await put(fileOf(sample, 10))
    const tiny = resolveLimits({ parquetFooterBytes: 10 })
    await expect(readFooter(store, path, { limits: tiny })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      context: { limit: 'parquetFooterBytes' },
    })
    const wide = {
      ...sample,
      schema: [
        { name: 'table', num_children: 100 },
        ...Array.from({ length: 100 }, (_, i) => ({ name: `c${i}`, type: 1, repetition_type: 1 })),
      ],
    }
    const few = resolveLimits({ schemaFields: 20 })
    expect(() => parseFooter(footerBytes(fileOf(wide)), path, few)).toThrow(/schemaFields/)
  })

  it.each<[string, FileMetaData['schema']]>([
    ['more children than there are', [{ name: 't', num_children: 3 }, leaf('a')]],
    ['fewer children than there are', [{ name: 't', num_children: 1 }, leaf('a'), leaf('b')]],
    ['a leaf without a type', [{ name: 't', num_children: 1 }, { name: 'a' }]],
    [
      'a leaf with children',
      [
        { name: 't', num_children: 1 },
        { ...leaf('a'), num_children: 1 },
      ],
    ],
    ['a negative number of children', [{ name: 't', num_children: -1 }]],
    ['groups without end', Array.from({ length: 100 }, () => ({ name: 'g', num_children: 1 }))],
  ])('refuses a schema with %s', (_, schema) => {
    expect(() => buildFileSchema(schema, 'x')).toThrow(/CORRUPT_PARQUET/)
  })
})

describeCorpus('footers of other writers', () => {
  const files = FOLDERS.flatMap(corpusFiles)

  it('survive parse, serialize, parse unchanged', () => {
    let parsed = 0
    for (const file of files) {
      const bytes = new Uint8Array(readFileSync(corpusPath(file)))
      let first: FileMetaData
      try {
        first = parseWholeFile(bytes, file, DEFAULT_LIMITS).metadata
      } catch (error) {
        if (!isFloeError(error)) throw error
        continue
      }
      const again = parseFooter(footerBytes(serializeFooter(first)), file, DEFAULT_LIMITS)
      expect(again, file).toEqual(first)
      parsed++
    }
    expect(parsed).toBeGreaterThan(110)
  })

  it('give typed errors alone when they are damaged, in bounded time', () => {
    const originals = files
      .filter((f) => !f.includes('/bad/'))
      .map((f) => Uint8Array.from(footerBytes(new Uint8Array(readFileSync(corpusPath(f))))))
      .filter((b) => b.length < 20_000)
    const change = fc.record({
      at: fc.nat(20_000),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x15, 0x19, 0x1c)),
      kind: fc.constantFrom('set', 'cut', 'insert'),
    })
    fc.assert(
      fc.property(
        fc.nat(originals.length - 1),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (which, changes) => {
          let bytes = Uint8Array.from(originals[which] as Uint8Array)
          for (const { at, value, kind } of changes) {
            const i = at % Math.max(1, bytes.length)
            if (kind === 'set') bytes[i] = value
            else if (kind === 'cut') bytes = bytes.slice(0, i)
            else bytes = Uint8Array.from([...bytes.slice(0, i), value, ...bytes.slice(i)])
          }
          const cpuMs = startCpuTimer()
          try {
            const footer = parseFooter(bytes, 'damaged', DEFAULT_LIMITS)
            buildFileSchema(footer.schema, 'damaged')
          } catch (error) {
            if (!isFloeError(error)) throw error
          }
          expect(cpuMs()).toBeLessThan(1000)
        },
      ),
      { numRuns: Number(process.env['FLOE_FUZZ_RUNS'] ?? 2000) },
    )
  })
})

function leaf(name: string): FileMetaData['schema'][number] {
  return { name, type: 1, repetition_type: 1 }
}

function withTail(file: Uint8Array, magic: string): Uint8Array {
  return Buffer.concat([file.subarray(0, -4), new TextEncoder().encode(magic)])
}

function withLength(file: Uint8Array, length: number): Uint8Array {
  const copy = Uint8Array.from(file)
  new DataView(copy.buffer).setUint32(copy.length - 8, length, true)
  return copy
}
