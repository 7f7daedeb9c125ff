/** Suite `delete`: `deleteWhere` of one row, beside its file, and of one partition, by metadata alone. */
import { join } from 'node:path'
import { type Figure, inChild, quantile, temporaryFolder } from './measure.js'

/** @param script gives the compiled path of a child of this folder */
export async function deleteSuite(
  script: (name: string) => string,
  quick: boolean,
): Promise<Figure[]> {
  const rows = quick ? 100_000 : 1_000_000
  const times = quick ? 20 : 100
  const figures: Figure[] = []
  for (const [mode, name] of [
    ['row', 'one row, merge-on-read'],
    ['partition', 'one partition, metadata only'],
  ] as const) {
    const folder = temporaryFolder()
    try {
      const { deletes } = await inChild<{ deletes: readonly number[] }>(script('delete'), [
        mode,
        String(rows),
        String(times),
        join(folder.path, 'lake'),
      ])
      figures.push(
        {
          name: `deleteWhere of ${name}, from ${rows} rows, p50 of ${times}`,
          value: `${quantile(deletes, 0.5).toFixed(1)} ms`,
        },
        { name: 'the same, p99', value: `${quantile(deletes, 0.99).toFixed(1)} ms` },
      )
    } finally {
      folder.remove()
    }
  }
  return figures
}
