/** Whatever is written is read back: every type, nested, with nulls, sliced, over any row groups. Items 64-72. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { parseFooter } from '../../../src/iceberg/parquet/footer.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField } from '../../../src/iceberg/spec/types.ts'
import { rowForms, schemaArbitrary, structArbitrary } from '../columns/arbitraries.ts'
import { readRows } from '../columns/read-raw.ts'
import { batchOf, openFile, openPool, readFile, store, writeFile } from './support.ts'

const pool = openPool()
afterAll(() => pool.close())

const cases = schemaArbitrary.chain((schema) =>
  fc.record({
    schema: fc.constant(schema),
    rows: fc
      .array(structArbitrary(schema.fields), { minLength: 1, maxLength: 60 })
      .map((rows) => rows.map((row) => rowForms(schema.asStruct(), row)[0] as Row)),
    rowGroupRows: fc.integer({ min: 1, max: 40 }),
    cuts: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 4 }),
    codec: fc.constantFrom('zstd', 'snappy', 'gzip', 'brotli', 'lz4', 'uncompressed'),
  }),
)

type Row = Readonly<Record<string, unknown>>

let files = 0
const newPath = (): string => `memory://round-trip/${files++}.parquet`

describe('round trip', () => {
  it('reads back every value of every type, from slices of batches, over row groups', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ schema, rows, rowGroupRows, cuts, codec }) => {
        const batch = await batchOf(schema, rows)
        const slices = []
        for (let at = 0, i = 0; at < batch.numRows; i++) {
          const next = Math.min(batch.numRows, at + (cuts[i % cuts.length] as number))
          slices.push(batch.slice(at, next))
          at = next
        }
        const path = newPath()
        const result = await writeFile(pool, path, schema, slices, {
          options: { rowGroupRows },
          properties: { 'write.parquet.compression-codec': codec },
        })
        expect(result.recordCount).toBe(rows.length)
        const file = await openFile(pool, path)
        expect(file.rowGroups.length).toBe(result.splitOffsets.length)
        expect(file.rowGroups.length).toBeGreaterThanOrEqual(rows.length / rowGroupRows)
        expect(await readFile(file, schema.fields)).toEqual(readRows(batch, schema.fields))
        expect((await store.stat(path))?.sizeBytes).toBe(result.sizeBytes)
      }),
      { numRuns: Number(process.env['FLOE_FUZZ_RUNS'] ?? 150) },
    )
  }, 120_000)

  it('delivers a projection, in the order wanted, of nested fields too', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.infiniteStream(fc.boolean()), async (c, coin) => {
        const batch = await batchOf(c.schema, c.rows)
        const path = newPath()
        await writeFile(pool, path, c.schema, [batch], {
          options: { rowGroupRows: c.rowGroupRows },
        })
        const flip = (): boolean => coin.next().value as boolean
        const wanted = prune([...c.schema.fields].reverse(), flip)
        const file = await openFile(pool, path)
        const actual = await readFile(file, wanted)
        const names = c.schema.fields.map((f) => f.name)
        const expected = readRows(batch, c.schema.fields).map((row) =>
          wanted.map((f) => pruneValue(row[names.indexOf(f.name)], f)),
        )
        expect(actual).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  it('gives the position in the file of each batch, and batches of the size asked for', async () => {
    const schema = new Schema({ schemaId: 0, fields: [long(1, 'n')] })
    const batch = await batchOf(
      schema,
      Array.from({ length: 1000 }, (_, n) => ({ n })),
    )
    const path = newPath()
    await writeFile(pool, path, schema, [batch], { options: { rowGroupRows: 300 } })
    const file = await openFile(pool, path)
    expect(file.rowGroups.map((g) => g.firstRowPosition)).toEqual([0, 300, 600, 900])
    const projection = file.project(schema.fields)
    const seen = []
    for await (const part of file.readRowGroup(1, projection, { batchRows: 128 })) {
      seen.push([part.rowGroup, part.firstRowPosition, part.batch.numRows])
      expect(readRows(part.batch, schema.fields)[0]).toEqual([BigInt(part.firstRowPosition)])
    }
    expect(seen).toEqual([
      [1, 300, 128],
      [1, 428, 128],
      [1, 556, 44],
    ])
  })

  it('reads rows without columns', async () => {
    const schema = new Schema({ schemaId: 0, fields: [long(1, 'n')] })
    const path = newPath()
    await writeFile(pool, path, schema, [await batchOf(schema, [{ n: 1 }, { n: 2 }, { n: 3 }])])
    const file = await openFile(pool, path)
    const projection = file.project([long(9, 'absent')])
    expect(projection.columns).toEqual([])
    const batches = []
    for await (const { batch } of file.readRowGroup(0, projection)) batches.push(batch)
    expect(batches.map((b) => [b.numRows, b.numCols])).toEqual([[3, 0]])
  })

  it('writes a file without rows, and one without batches', async () => {
    const schema = new Schema({ schemaId: 0, fields: [long(1, 'n')] })
    for (const batches of [[], [await batchOf(schema, [])]]) {
      const path = newPath()
      const result = await writeFile(pool, path, schema, batches)
      expect(result).toMatchObject({ recordCount: 0, splitOffsets: [] })
      const file = await openFile(pool, path)
      expect(file.rowGroups).toEqual([])
      expect(file.footer.metadata.num_rows).toBe(0)
    }
  })

  it('reads back a row group that it decodes in several parts', async () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [{ id: 1, name: 's', required: false, type: { kind: 'string' } }, long(2, 'n')],
    })
    const text = (n: number): string => `${n} ${'x'.repeat(900)}`
    const rows = Array.from({ length: 50_000 }, (_, n) => ({ s: n % 7 ? text(n) : null, n }))
    const path = newPath()
    const { splitOffsets } = await writeFile(pool, path, schema, [await batchOf(schema, rows)], {
      options: { rowGroupBytes: 2 ** 30, rowGroupRows: 1e6 },
    })
    expect(splitOffsets.length).toBe(1)
    const file = await openFile(pool, path)
    let position = 0
    for await (const part of file.readRowGroup(0, file.project(schema.fields))) {
      expect(part.firstRowPosition).toBe(position)
      for (const row of readRows(part.batch, schema.fields)) {
        const expected = rows[position] as { s: string | null; n: number }
        if (row[0] !== expected.s || row[1] !== BigInt(expected.n)) expect(row).toEqual(expected)
        position++
      }
    }
    expect(position).toBe(rows.length)
  })

  it('is a valid file on its own: footer identity', async () => {
    const path = newPath()
    const schema = new Schema({ schemaId: 0, fields: [long(1, 'n')] })
    await writeFile(pool, path, schema, [await batchOf(schema, [{ n: 1 }])])
    const bytes = await store.get(path)
    const length = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
    const footer = parseFooter(bytes.subarray(-8 - length, -8), path, DEFAULT_LIMITS)
    expect(footer.created_by).toMatch(/^floe version \d+\.\d+\.\d+/)
    expect(footer.num_rows).toBe(1)
  })
})

function long(id: number, name: string): NestedField {
  return { id, name, required: false, type: { kind: 'long' } }
}

/** Some of the fields, with some of the fields of structs that are not in maps' keys. */
function prune(fields: readonly NestedField[], keep: () => boolean): NestedField[] {
  return fields
    .filter(() => keep())
    .map((field) => {
      const { type } = field
      switch (type.kind) {
        case 'struct':
          return { ...field, type: { ...type, fields: prune(type.fields, keep) } }
        case 'list': {
          const [element] = pruneType(type.element, keep)
          return { ...field, type: { ...type, element } }
        }
        case 'map': {
          const [value] = pruneType(type.value, keep)
          return { ...field, type: { ...type, value } }
        }
        default:
          return field
      }
    })
}

function pruneType(type: NestedField['type'], keep: () => boolean): [NestedField['type']] {
  const [field] = prune([{ id: 0, name: '', required: true, type }], () => true)
  if (type.kind !== 'struct') return [field?.type ?? type]
  return [{ ...type, fields: prune(type.fields, keep) }]
}

/** What is left of a value of the whole type. */
function pruneValue(value: unknown, field: NestedField): unknown {
  if (value === null || value === undefined) return value
  const { type } = field
  switch (type.kind) {
    case 'struct':
      return Object.fromEntries(
        type.fields.map((f) => [f.name, pruneValue((value as Record<string, unknown>)[f.name], f)]),
      )
    case 'list':
      return (value as unknown[]).map((v) => pruneValue(v, { ...field, type: type.element }))
    case 'map':
      return new Map(
        [...(value as Map<unknown, unknown>)].map(([k, v]) => [
          k,
          pruneValue(v, { ...field, type: type.value }),
        ]),
      )
    default:
      return value
  }
}
