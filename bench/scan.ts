/** Child: scans a table by its metadata location. Arguments: metadata filtered */
import { openTable } from 'floe'

const [metadata, filtered] = process.argv.slice(2) as [string, string]
const table = await openTable(metadata)
const run = async (): Promise<{ rows: number; seconds: number }> => {
  const started = performance.now()
  let rows = 0
  const scan =
    filtered === 'yes'
      ? table.scan({ where: { c0: { lt: 100_000 }, s0: { startsWith: 'value-1' } } })
      : table.scan()
  for await (const batch of scan.batches()) rows += batch.numRows
  return { rows, seconds: (performance.now() - started) / 1000 }
}
await run()
console.log(JSON.stringify(await run()))
await table.close()
