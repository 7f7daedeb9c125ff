import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { joinColumns } from '../../../src/iceberg/columns/join-columns.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import { rowForms, schemaArbitrary, structArbitrary } from './arbitraries.ts'
import { readValue } from './read-raw.ts'

beforeAll(async () => {
  await loadArrow()
})

it('joins columns of every type, slices too', () => {
  fc.assert(
    fc.property(
      schemaArbitrary.chain((schema) =>
        fc.tuple(
          fc.constant(schema),
          fc.array(
            fc.tuple(fc.array(structArbitrary(schema.fields), { maxLength: 12 }), fc.nat(5)),
            {
              minLength: 1,
              maxLength: 4,
            },
          ),
        ),
      ),
      ([schema, groups]) => {
        const batches = groups.map(([rows, from]) => {
          const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
          for (const row of rows) {
            builder.append(rowForms({ kind: 'struct', fields: schema.fields }, row)[0])
          }
          return builder.finish().slice(from)
        })
        const rows = groups.flatMap(([group, from]) => group.slice(from))
        schema.fields.forEach((field, i) => {
          const joined = joinColumns(batches.map((batch) => batch.data.children[i] as never))
          expect(joined.length).toBe(rows.length)
          expect(rows.map((_, row) => readValue(joined, field.type, row))).toEqual(
            rows.map((row) => row[field.name]),
          )
        })
      },
    ),
    { numRuns: 150 },
  )
})
