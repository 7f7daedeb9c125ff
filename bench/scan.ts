/**
 * Child: scans a table by its metadata location, once to warm up and then some times, and prints the best of these.
 * Arguments: metadata filtered times
 */
import { openTable } from 'floe'

const [metadata, filtered, times] = process.argv.slice(2) as [string, string, string]
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
const { rows, seconds } = await run()
let best = seconds
for (let i = 1; i < Number(times); i++) best = Math.min(best, (await run()).seconds)
console.log(JSON.stringify({ rows, seconds: best }))
await table.close()
