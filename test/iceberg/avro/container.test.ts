/** Avro containers: round trips with avsc as a second implementation, and files that are damaged or meant to harm. */
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, type Limits, resolveLimits } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import { AvroContainerWriter } from '../../../src/iceberg/avro/container-writer.ts'
import { type AvroValue, compileDecoder } from '../../../src/iceberg/avro/decode.ts'
import { AvroSink } from '../../../src/iceberg/avro/sink.ts'
import { compileSkip } from '../../../src/iceberg/avro/skip.ts'
import { startCpuTimer } from '../../support/cpu-time.ts'
import { comparable, oracleDecode, oracleEncode, plain } from './avsc-oracle.ts'

interface BlockSpec {
  readonly count: number
  readonly data: Uint8Array | readonly number[]
}

/** A container made by hand, so that it can lie. */
function forge(
  schema: unknown,
  blocks: readonly BlockSpec[],
  codec = 'null',
  sync = 7,
): Uint8Array {
  const sink = new AvroSink()
  sink.writeFixed(Uint8Array.of(0x4f, 0x62, 0x6a, 1))
  sink.writeLong(2)
  sink.writeString('avro.schema')
  sink.writeString(typeof schema === 'string' ? schema : JSON.stringify(schema))
  sink.writeString('avro.codec')
  sink.writeString(codec)
  sink.writeLong(0)
  const marker = new Uint8Array(16).fill(sync)
  sink.writeFixed(marker)
  for (const { count, data } of blocks) {
    sink.writeLong(count)
    sink.writeBytes(Uint8Array.from(data))
    sink.writeFixed(marker)
  }
  return sink.toBytes()
}

function readAll(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): AvroValue[] {
  const container = new AvroContainer(bytes, 'test.avro', limits)
  const decode = compileDecoder(container.schema)
  const rows: AvroValue[] = []
  for (const { count, cursor } of container.blocks()) {
    for (let i = 0; i < count; i++) rows.push(decode(cursor))
    cursor.expectEnd()
  }
  return rows
}

function skipAll(bytes: Uint8Array): void {
  const container = new AvroContainer(bytes, 'test.avro', DEFAULT_LIMITS)
  const skip = compileSkip(container.schema)
  for (const { count, cursor } of container.blocks()) {
    for (let i = 0; i < count; i++) skip(cursor)
    cursor.expectEnd()
  }
}

/** A schema with the arbitrary of its values as avsc takes them. */
interface Shape {
  readonly schema: unknown
  readonly value: fc.Arbitrary<unknown>
}

let names = 0
const scalar: fc.Arbitrary<Shape> = fc.constantFrom<Shape>(
  { schema: 'null', value: fc.constant(null) },
  { schema: 'boolean', value: fc.boolean() },
  { schema: 'int', value: fc.integer() },
  { schema: 'long', value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { schema: 'float', value: fc.float({ noNaN: true }) },
  { schema: 'double', value: fc.double() },
  { schema: 'string', value: fc.string({ unit: 'grapheme' }) },
  { schema: 'bytes', value: fc.uint8Array().map((b) => Buffer.from(b)) },
)
const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    tie('shape').map(
      (item): Shape => ({
        schema: { type: 'array', items: item.schema },
        value: fc.array(item.value, { maxLength: 4 }),
      }),
    ),
    tie('shape').map(
      (item): Shape => ({
        schema: { type: 'map', values: item.schema },
        value: fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), item.value, { maxKeys: 4 }),
      }),
    ),
    fc
      .tuple(
        scalar.filter((s) => s.schema !== 'null'),
        fc.boolean(),
      )
      .map(
        ([item, first]): Shape => ({
          schema: first ? ['null', item.schema] : [item.schema, 'null'],
          value: fc.option(item.value),
        }),
      ),
    fc.array(tie('shape'), { maxLength: 4 }).map((fields): Shape => {
      const id = names++
      return {
        schema: {
          type: 'record',
          name: `record_${id}`,
          fields: fields.map((f, i) => ({ name: `f${i}`, type: f.schema })),
        },
        value: fc
          .tuple(...fields.map((f) => f.value))
          .map((values) => Object.fromEntries(values.map((value, i) => [`f${i}`, value]))),
      }
    }),
    fc.integer({ min: 0, max: 20 }).map(
      (size): Shape => ({
        schema: { type: 'fixed', name: `fixed_${names++}`, size },
        value: fc.uint8Array({ minLength: size, maxLength: size }).map((b) => Buffer.from(b)),
      }),
    ),
    fc.constantFrom(['A'], ['A', 'B', 'C']).map(
      (symbols): Shape => ({
        schema: { type: 'enum', name: `enum_${names++}`, symbols },
        value: fc.constantFrom(...symbols),
      }),
    ),
  ),
}))

describe('containers', () => {
  it('of avsc are read, whatever the schema and codec', async () => {
    await fc.assert(
      fc.asyncProperty(
        shape.chain((s) =>
          fc.record({
            schema: fc.constant({
              type: 'record',
              name: 'top',
              fields: [{ name: 'v', type: s.schema }],
            }),
            rows: fc.array(
              s.value.map((v) => ({ v })),
              { maxLength: 20 },
            ),
            codec: fc.constantFrom('null', 'deflate' as const),
            blockSize: fc.constantFrom(32, 65_536),
          }),
        ),
        async ({ schema, rows, codec, blockSize }) => {
          const bytes = await oracleEncode(schema, rows, { codec: codec as 'null', blockSize })
          expect(readAll(bytes).map(comparable)).toEqual(rows.map(plain))
          skipAll(bytes)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('that are written are read by avsc and by ourselves, block by block', async () => {
    const schema = {
      type: 'record',
      name: 'r',
      fields: [
        { name: 'a', type: 'long' },
        { name: 'b', type: 'string' },
      ],
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ a: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), b: fc.string() }),
        ),
        fc.constantFrom('null', 'deflate' as const),
        async (rows, codec) => {
          const writer = new AvroContainerWriter({
            schemaJson: JSON.stringify(schema),
            metadata: new Map([['format-version', '2']]),
            codec: codec as 'null',
            runtime: systemRuntime,
            blockBytes: 50,
          })
          for (const { a, b } of rows) {
            writer.sink.writeBigLong(a)
            writer.sink.writeString(b)
            writer.endRecord()
          }
          const bytes = writer.finish()
          expect(readAll(bytes)).toEqual(rows)
          expect(await oracleDecode(bytes)).toEqual(rows)
          const container = new AvroContainer(bytes, 'test.avro', DEFAULT_LIMITS)
          expect(container.text('format-version')).toBe('2')
          expect(container.codec).toBe(codec)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('have blocks of about 64 KiB and a random sync marker (item 51)', () => {
    const write = (): Uint8Array => {
      const writer = new AvroContainerWriter({
        schemaJson: '"bytes"',
        metadata: new Map(),
        codec: 'null',
        runtime: systemRuntime,
      })
      for (let i = 0; i < 300; i++) {
        writer.sink.writeBytes(new Uint8Array(1000))
        writer.endRecord()
      }
      return writer.finish()
    }
    const [one, two] = [write(), write()]
    const sizes = [...new AvroContainer(one, 'one', DEFAULT_LIMITS).blocks()].map(
      (b) => b.cursor.remaining,
    )
    expect(sizes.slice(0, -1).every((size) => size >= 65_536 && size < 65_536 + 1100)).toBe(true)
    expect(one.slice(-16)).not.toEqual(two.slice(-16))
  })

  it('may hold recursive values up to a depth', () => {
    const node = {
      type: 'record',
      name: 'node',
      fields: [{ name: 'next', type: ['null', 'node'] }],
    }
    const nested = (depth: number): Uint8Array =>
      forge(node, [{ count: 1, data: [...new Array<number>(depth).fill(2), 0] }])
    expect(readAll(nested(40))).toHaveLength(1)
    skipAll(nested(40))
    expect(() => readAll(nested(20_000))).toThrow(/nestingDepth.*\[LIMIT_EXCEEDED\]/)
    expect(() => skipAll(nested(20_000))).toThrow(/LIMIT_EXCEEDED/)
  })

  it('keep hostile names as plain data', () => {
    const schema = {
      type: 'record',
      name: 'r',
      fields: [
        { name: '__proto__', type: 'int' },
        { name: 'm', type: { type: 'map', values: 'int' } },
      ],
    }
    const sink = new AvroSink()
    sink.writeLong(5)
    sink.writeLong(1)
    sink.writeString('__proto__')
    sink.writeLong(6)
    sink.writeLong(0)
    const [row] = readAll(forge(schema, [{ count: 1, data: sink.toBytes() }]))
    expect(Object.keys(row as object)).toEqual(['__proto__', 'm'])
    expect(Object.getPrototypeOf(row)).toBeNull()
    expect((row as { m: Map<string, number> }).m.get('__proto__')).toBe(6)
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('damaged containers', () => {
  const good = forge({ type: 'record', name: 'r', fields: [{ name: 'a', type: 'string' }] }, [
    { count: 2, data: [4, 65, 66, 2, 67] },
    { count: 1, data: [2, 68] },
  ])

  it('are read when they are not damaged', () => {
    expect(readAll(good)).toEqual([{ a: 'AB' }, { a: 'C' }, { a: 'D' }])
  })

  it('cut anywhere are a typed error, or fewer blocks at a block boundary', () => {
    const boundaries = new Set<number>()
    for (let cut = 0; cut < good.length; cut++) {
      try {
        const rows = readAll(good.subarray(0, cut))
        expect([0, 2]).toContain(rows.length)
        boundaries.add(cut)
      } catch (error) {
        expect((error as { code?: string }).code).toBe('CORRUPT_AVRO')
      }
    }
    expect(boundaries.size).toBe(2)
  })

  it.each([
    ['a count that is not that of the block', forge('"int"', [{ count: 3, data: [2, 4] }])],
    ['bytes behind the last record', forge('"int"', [{ count: 1, data: [2, 4] }])],
    ['a negative count', forge('"int"', [{ count: -1, data: [2] }])],
    ['a branch that does not exist', forge(['null', 'int'], [{ count: 1, data: [4] }])],
    [
      'a symbol that does not exist',
      forge({ type: 'enum', name: 'e', symbols: ['A'] }, [{ count: 1, data: [2] }]),
    ],
    ['a boolean of 2', forge('"boolean"', [{ count: 1, data: [2] }])],
    ['not Avro', new TextEncoder().encode('PAR1 and so on')],
    ['nothing', new Uint8Array(0)],
    ['deflate that is not', forge('"int"', [{ count: 1, data: [0xff, 0xff, 0xff] }], 'deflate')],
    [
      'snappy that is not',
      forge('"int"', [{ count: 1, data: [0xff, 0xff, 0xff, 0xff, 0xff] }], 'snappy'),
    ],
    ['zstandard that is not', forge('"int"', [{ count: 1, data: [1, 2, 3, 4] }], 'zstandard')],
  ])('%s: CORRUPT_AVRO naming the file', (_what, bytes) => {
    expect(() => readAll(bytes)).toThrow(/test\.avro.*\[CORRUPT_AVRO\]/)
  })

  it('have their sync markers checked', () => {
    const changed = Uint8Array.from(good)
    changed[good.length - 1] = 0
    expect(() => readAll(changed)).toThrow(/sync marker/)
  })

  it('of unknown codecs are refused by name before any block', () => {
    const bytes = forge('"int"', [{ count: 1, data: [2] }], 'lzma')
    expect(() => new AvroContainer(bytes, 'test.avro', DEFAULT_LIMITS)).toThrow(
      /"lzma".*\[UNSUPPORTED_CODEC\]/,
    )
  })
})

describe('bombs (reliability.md §3)', () => {
  it('a block that inflates beyond limits.avroBlockBytes', () => {
    const limits = resolveLimits({ avroBlockBytes: 100_000 })
    const data = deflateRawSync(new Uint8Array(1_000_000))
    const bytes = forge('"bytes"', [{ count: 1, data }], 'deflate')
    expect(() => readAll(bytes, limits)).toThrow(/avroBlockBytes.*\[LIMIT_EXCEEDED\]/)
  })

  it('many blocks that inflate far beyond the size of the file together', () => {
    const limits = resolveLimits({ avroBlockBytes: 1_000_000 })
    const data = deflateRawSync(new Uint8Array(1_000_000).fill(2))
    const blocks = Array.from({ length: 60 }, () => ({ count: 1_000_000, data }))
    const bytes = forge('"int"', blocks, 'deflate')
    const container = new AvroContainer(bytes, 'test.avro', limits)
    expect(() => [...container.blocks()].length).toThrow(/LIMIT_EXCEEDED/)
  })

  it('five bytes that stand for five million items', () => {
    const sink = new AvroSink()
    sink.writeLong(5_000_000)
    sink.writeLong(0)
    const items = forge({ type: 'array', items: 'null' }, [{ count: 1, data: sink.toBytes() }])
    expect(() => readAll(items)).toThrow(/LIMIT_EXCEEDED/)
    expect(() => skipAll(items)).toThrow(/LIMIT_EXCEEDED/)
    const rows = forge({ type: 'record', name: 'r', fields: [] }, [{ count: 2 ** 40, data: [] }])
    expect(() => readAll(rows)).toThrow(/LIMIT_EXCEEDED/)
  })

  it('records without bytes that double at every level', () => {
    const fields = (type: unknown): unknown => [
      { name: 'a', type },
      { name: 'b', type },
    ]
    const union: unknown[] = [{ type: 'record', name: 'r0', fields: [] }]
    for (let i = 1; i < 50; i++)
      union.push({ type: 'record', name: `r${i}`, fields: fields(`r${i - 1}`) })
    const bytes = forge(union, [{ count: 1, data: [2 * 49] }])
    const cpuMs = startCpuTimer()
    expect(() => readAll(bytes)).toThrow(/LIMIT_EXCEEDED/)
    expect(() => skipAll(bytes)).toThrow(/LIMIT_EXCEEDED/)
    expect(cpuMs()).toBeLessThan(2_000)
  })

  it('a record inside itself without end', () => {
    const bytes = forge({ type: 'record', name: 'r', fields: [{ name: 'a', type: 'r' }] }, [
      { count: 1, data: [] },
    ])
    expect(() => readAll(bytes)).toThrow(/LIMIT_EXCEEDED/)
    expect(() => skipAll(bytes)).toThrow(/LIMIT_EXCEEDED/)
  })

  it('more items in memory than a sixteenth of limits.avroBlockBytes', () => {
    const limits = resolveLimits({ avroBlockBytes: 160_000 })
    const sink = new AvroSink()
    sink.writeLong(20_000)
    for (let i = 0; i < 20_000; i++) sink.writeLong(0)
    sink.writeLong(0)
    const bytes = forge({ type: 'array', items: 'int' }, [{ count: 1, data: sink.toBytes() }])
    expect(() => readAll(bytes, limits)).toThrow(/LIMIT_EXCEEDED/)
    expect(readAll(bytes)).toHaveLength(1)
  })
})
