import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import { rowsOf } from '../../../src/iceberg/columns/to-rows.ts'
import { rowForms, schemaArbitrary, structArbitrary } from './arbitraries.ts'

beforeAll(async () => {
  await loadArrow()
})

it('appends what it reads: rows → columns → rows → columns → rows lose nothing', () => {
  fc.assert(
    fc.property(
      schemaArbitrary.chain((schema) =>
        fc.tuple(
          fc.constant(schema),
          fc.array(structArbitrary(schema.fields), { minLength: 1, maxLength: 30 }),
        ),
      ),
      ([schema, rows]) => {
        const through = (given: Iterable<unknown>): Record<string, unknown>[] => {
          const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
          for (const row of given) builder.append(row)
          return [...rowsOf(builder.finish(), schema.fields)]
        }
        const once = through(
          rows.map((row) => rowForms({ kind: 'struct', fields: schema.fields }, row)[0]),
        )
        expect(through(once)).toEqual(once)
      },
    ),
    { numRuns: 200 },
  )
})
