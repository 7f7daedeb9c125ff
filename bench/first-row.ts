/** Child: from the start of the process's own code to the first committed row. Argument: lake */
const started = performance.now()
const { openLake, schema, t } = await import('floe')
const imported = performance.now() - started
const lake = await openLake(process.argv[2] as string)
const table = await lake.createTable('bench.first', schema({ id: t.long(), note: t.string() }))
await table.append([{ id: 1, note: 'first' }])
const firstRow = performance.now() - started
const commits: number[] = []
const many = Number(process.argv[3] ?? 0)
for (let i = 0; i < many; i++) {
  const from = performance.now()
  await table.append([{ id: i, note: 'again' }])
  commits.push(performance.now() - from)
}
console.log(JSON.stringify({ imported, firstRow, commits }))
await lake.close()
