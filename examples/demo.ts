/**
 * A first look at floe: creates a lake in a folder, appends a million generated events in batches, scans with a
 * predicate, upserts and deletes by key, travels in time, and shows what it does. `npm run demo -- --help` explains the flags.
 */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openLake, schema, t } from 'floe'

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '100000' },
    lake: { type: 'string', default: join(tmpdir(), 'floe-demo') },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
})

if (flags.help) {
  console.log(`npm run demo -- [flags]

  --rows N     events to append (default ${flags.rows})
  --batch N    events of one append, which is one snapshot (default ${flags.batch})
  --lake DIR   where the lake is put; the folder demo in it is replaced (default ${flags.lake})
  --seed N     seed of the generated events (default ${flags.seed})
  --help       this text`)
  process.exit(0)
}

/** A small seeded generator: the same seed gives the same events. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296
  }
}

const KINDS = ['view', 'view', 'view', 'view', 'like', 'share', 'comment', 'completion'] as const
const START_MICROS = 1_767_225_600_000_000n

function* events(count: number, first: number, random: () => number) {
  for (let i = 0; i < count; i++) {
    const n = first + i
    yield {
      event_id: n,
      video_id: `video-${Math.floor(random() ** 3 * 1000)}`,
      kind: KINDS[Math.floor(random() * KINDS.length)] as string,
      watch_seconds: Math.round(random() * 6000) / 10,
      at: START_MICROS + BigInt(n) * 250_000n,
    }
  }
}

function positive(name: 'rows' | 'batch' | 'seed'): number {
  const value = Number(flags[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  console.error(`--${name} must be a positive integer, not ${flags[name]}`)
  process.exit(2)
}

const total = positive('rows')
const batch = positive('batch')
const random = randomFrom(positive('seed'))
const stop = new AbortController()
process.once('SIGINT', () => stop.abort(new Error('Ctrl-C')))

const seconds = (since: number) => (performance.now() - since) / 1000
const perSecond = (rows: number, since: number) =>
  `${Math.round(rows / seconds(since)).toLocaleString('en')} rows/s`

const location = join(flags.lake, 'demo')
await rm(location, { recursive: true, force: true })
console.log(`1. A lake in ${location}: no service, no JVM, two worker threads for Parquet`)
const lake = await openLake(location)
try {
  const table = await lake.createTable(
    'demo.events',
    schema(
      {
        event_id: t.long(),
        video_id: t.string(),
        kind: t.string(),
        watch_seconds: t.double(),
        at: t.timestamptz(),
      },
      { key: ['event_id'] },
    ),
    { partitionBy: ['day(at)'] },
  )
  console.log(
    `   table ${table.name}, Iceberg v${table.metadata.formatVersion}, partitioned by day\n`,
  )

  console.log(`2. ${total.toLocaleString('en')} events in appends of ${batch.toLocaleString('en')}`)
  const appendStart = performance.now()
  for (let done = 0; done < total; done += batch) {
    const count = Math.min(batch, total - done)
    const started = performance.now()
    const result = await table.append(events(count, done, random), { signal: stop.signal })
    console.log(
      `   snapshot ${result.snapshotId}: ${count.toLocaleString('en')} rows in ${result.files} files, ${perSecond(count, started)}`,
    )
  }
  console.log(`   in all ${perSecond(total, appendStart)}\n`)

  console.log('3. A scan: comments watched for more than 590 s on the first day')
  const scanStart = performance.now()
  const scan = table.scan({
    where: { kind: 'comment', watch_seconds: { gt: 590 }, at: { lt: '2026-01-02T00:00:00Z' } },
    select: ['event_id', 'video_id', 'watch_seconds'],
  })
  const { report } = await scan.plan()
  let found = 0
  for await (const row of scan.rows()) if (found++ < 3) console.log('  ', row)
  console.log(
    `   ${found} rows in ${seconds(scanStart).toFixed(2)} s; of ${report.files + report.filesSkipped} files ${report.filesSkipped} were skipped, of ${report.manifests} manifests ${report.manifestsSkipped}\n`,
  )

  console.log('4. Rows by key: views and watch time of each video, added up batch by batch')
  const videos = await lake.createTable(
    'demo.videos',
    schema(
      { video_id: t.string(), events: t.long(), watch_seconds: t.double() },
      { key: ['video_id'] },
    ),
    { formatVersion: 3 },
  )
  const upsertStart = performance.now()
  const counts = { updated: 0, inserted: 0 }
  for (let part = 0; part < 5; part++) {
    const perVideo = new Map<string, { video_id: string; events: number; watch_seconds: number }>()
    const where = { event_id: { gte: (total / 5) * part, lt: (total / 5) * (part + 1) } }
    for await (const { video_id, watch_seconds } of table.scan({ where }).rows()) {
      const sum = perVideo.get(video_id) ?? { video_id, events: 0, watch_seconds: 0 }
      sum.events++
      sum.watch_seconds += watch_seconds
      perVideo.set(video_id, sum)
    }
    const { rows } = await videos.upsert(perVideo.values(), {
      increment: ['events', 'watch_seconds'],
      update: [],
      signal: stop.signal,
    })
    counts.updated += rows.updated
    counts.inserted += rows.inserted
  }
  const few = await videos.deleteWhere({ events: { lt: total / 2000 } }, { signal: stop.signal })
  console.log(
    `   ${counts.inserted} videos inserted, ${counts.updated} times updated, ${few.rowsDeleted} with few events deleted, in ${seconds(upsertStart).toFixed(1)} s\n`,
  )

  console.log('5. Time travel')
  for (const snapshot of [table.snapshots()[0], table.snapshots().at(-1)]) {
    if (snapshot === undefined) continue
    const rows = await table.scan({ snapshotId: snapshot.snapshotId }).count()
    console.log(`   snapshot ${snapshot.snapshotId} has ${rows.toLocaleString('en')} rows`)
  }

  const check = await table.fsck({ data: 'sample' })
  const videoCheck = await videos.fsck({ data: 'all' })
  if (!videoCheck.ok) console.log('   the videos are BROKEN', videoCheck.problems)
  console.log(
    `\n6. fsck: ${check.checks.length} invariants over ${check.snapshots} snapshots and ${check.files} files: ${check.ok ? 'all hold' : 'BROKEN'}`,
  )
  for (const problem of check.problems) console.log('  ', problem)
  console.log(`\nAny Iceberg reader can open it now, for example in DuckDB:
   SELECT kind, count(*) FROM iceberg_scan('${table.metadataLocation.replace('file://', '')}') GROUP BY kind;`)
  process.exitCode = check.ok && videoCheck.ok ? 0 : 1
} finally {
  await lake.close()
}
