/** The benchmarks: each figure beside its bar and a peer measured in the same run. `--help` explains the flags. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { peerInterpreter, ROOT } from './installed.js'
import {
  type Figure,
  inChild,
  machine,
  median,
  printFigures,
  python,
  quantile,
  temporaryFolder,
} from './measure.js'
import { deleteSuite } from './suite-delete.js'
import { kafkaSuite } from './suite-kafka.js'
import { s3Suite } from './suite-s3.js'
import { streamSuite } from './suite-stream.js'
import { upsertSuite } from './suite-upsert.js'

const HERE = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const SUITES = {
  append: 'rows a second, from row objects and Arrow batches',
  start: 'import, and import to the first committed row',
  commit: 'commits of one row on the local disk',
  planning: 'planning over many files',
  scan: 'a full and a filtered scan, memory of a large append',
  index: 'building the index of keys, its memory',
  upsert: 'a thousand rows by key into tables of three sizes, growth over many commits',
  s3: 'commits of one row on versitygw, and their requests',
  delete: 'deleteWhere of one row and of one partition',
  stream: 'the pipeline from memory and from the embedded log, fixed cost of a batch',
  kafka: 'the pipeline from Kafka, beside Spark Structured Streaming',
} as const
type Suite = keyof typeof SUITES
const NAMES = Object.keys(SUITES) as Suite[]
const HELP = `npm run bench -- [--only NAME[,NAME…]] [--quick] [--help]

  --only   some of the suites, which are:
${NAMES.map((name) => `             ${name.padEnd(9)} ${SUITES[name]}`).join('\n')}
  --quick  a tenth of the rows and fewer repetitions: to see that all works, not for figures to compare
  --help   this text

Figures go to standard output and to bench/results/latest.json; the bars are those of the full sizes. The exit status is 1 if
a suite failed, whether or not bars are reached. Peers (PyIceberg, DuckDB, PyArrow, DuckDB through a REST catalog) and
versitygw are used where they are installed:
  node test/services/install/install-all.js pyiceberg rest-catalog versitygw
The suite kafka installs Kafka and Spark into the same cache where they are missing, which needs Maven, Python and a JDK 17.
See docs/benchmarks.md.`
if (flags.help) {
  console.log(HELP)
  process.exit(0)
}
const only = flags.only?.split(',')
for (const name of only ?? []) {
  if (!(NAMES as string[]).includes(name)) {
    console.error(`There is no suite "${name}".\n\n${HELP}`)
    process.exit(2)
  }
}
const scale = flags.quick ? 10 : 1
const script = (name: string): string => join(HERE, `${name}.js`)
const figures: Figure[] = []
const million = (n: number): string => `${(n / 1e6).toFixed(2)} M rows/s`

const peer = peerInterpreter()
const none = 'peer not installed'

/** Rows a second of the first append of all rows in a process, and of the second. */
type AppendSpeeds = readonly [first: number, second: number]

const PYICEBERG_APPEND = `
import sys, json, time, os, pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
n, work, warm = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.makedirs(work, exist_ok=True)
c = SqlCatalog('p', uri='sqlite:///' + work + '/c.db', warehouse='file://' + work)
c.create_namespace('b')
t = pa.table({'id': pa.array(range(n), pa.int64()), 'name': pa.array(['user-%d' % ((i * 7919) % 100003) for i in range(n)]), 'score': pa.array([((i * 31) % 10007) / 7 for i in range(n)]), 'count': pa.array([(i * 17) % 5003 for i in range(n)], pa.int32()), 'at': pa.array([1767225600000000 + i * 1000 for i in range(n)], pa.timestamp('us', 'UTC'))})
table = c.create_table('b.t', schema=t.schema)
table.append(t.slice(0, warm))
def timed():
    s = time.time(); table.append(t); return n / (time.time() - s)
print(json.dumps([timed(), timed()]))`

/** Processes of each side. */
const APPENDS = 3
/** Rows that each process appends before. */
const APPEND_WARM_UP = 20_000

async function append(): Promise<void> {
  const rows = 500_000 / scale
  const warmUp = APPEND_WARM_UP / scale
  const folder = temporaryFolder()
  try {
    const peerRuns: AppendSpeeds[] = []
    const runs = { batches: [] as AppendSpeeds[], rows: [] as AppendSpeeds[] }
    // By turns: the speed of a machine changes over minutes.
    for (let i = 0; i < APPENDS; i++) {
      const args = (kind: string) => [String(rows), `${folder.path}/${kind}${i}`, String(warmUp)]
      const pyiceberg = await python<AppendSpeeds>(peer, PYICEBERG_APPEND, args('py'))
      if (pyiceberg !== null) peerRuns.push(pyiceberg)
      for (const form of ['batches', 'rows'] as const) {
        const result = await inChild<{ rowsPerSecond: AppendSpeeds }>(script('append'), [
          form,
          ...args(form),
        ])
        runs[form].push(result.rowsPerSecond)
      }
    }
    const best = (of: readonly AppendSpeeds[], nth: 0 | 1): number =>
      Math.max(...of.map((speeds) => speeds[nth]))
    const peerText = (nth: 0 | 1): string =>
      peerRuns.length === 0
        ? none
        : `PyIceberg ${million(best(peerRuns, nth))}, from an Arrow table (best of ${APPENDS})`
    for (const [form, what, bar] of [
      ['batches', 'Arrow batches', 1.2],
      ['rows', 'row objects', 0.8],
    ] as const) {
      const second = best(runs[form], 1)
      figures.push(
        {
          name: `append ${rows} × 5 from ${what}, code compiled (best of ${APPENDS})`,
          value: million(second),
          bar: `≥ ${bar} M`,
          reached: second >= bar * 1e6,
          peer: peerText(1),
        },
        {
          name: `the same as the first after ${warmUp} rows (best of ${APPENDS})`,
          value: million(best(runs[form], 0)),
          peer: peerText(0),
        },
      )
    }
  } finally {
    folder.remove()
  }
}

const PEER_SCAN = `
import sys, json, time, glob, os, duckdb, pyarrow.parquet as pq, pyarrow.dataset as ds, pyarrow.compute as pc
meta, filtered = sys.argv[1].replace('file://', ''), sys.argv[2] == 'yes'
con = duckdb.connect(config={'allow_unsigned_extensions': 'true'})
for n in ('avro', 'httpfs', 'iceberg'):
    con.execute("LOAD '" + glob.glob(os.path.join(sys.prefix, 'lib/python*/site-packages/duckdb_extension_%s/extensions/*/%s.duckdb_extension' % (n, n)))[0] + "'")
con.execute('SET threads = 2')
where = " where c0 < 100000 and s0 like 'value-1%'" if filtered else ''
def duck():
    s = time.time(); r = con.execute("select * from iceberg_scan('" + meta + "')" + where).fetch_record_batch(65536); n = sum(b.num_rows for b in r); return time.time() - s, n
def arrow():
    s = time.time(); d = ds.dataset(os.path.dirname(os.path.dirname(meta)) + '/data', format='parquet'); f = (pc.field('c0') < 100000) & pc.starts_with(pc.field('s0'), 'value-1') if filtered else None
    n = sum(b.num_rows for b in d.to_batches(filter=f)); return time.time() - s, n
def best(run, times):
    runs = [run() for _ in range(times + 1)][1:]
    return {'seconds': min(s for s, _ in runs), 'rows': runs[0][1]}
print(json.dumps([best(run, int(sys.argv[3])) for run in (duck, arrow)]))`

/** Of each side, after one that is not counted, in one process. */
const SCANS = 3

interface WideTable {
  readonly rowsPerSecond: number
  readonly peakRssMiB: number
  readonly metadata: string
}

interface Scanned {
  readonly rows: number
  readonly seconds: number
}

async function scan(): Promise<void> {
  const rows = 10_000_000 / scale
  const folder = temporaryFolder()
  try {
    const made = await inChild<WideTable>(script('wide'), [String(rows), `${folder.path}/lake`])
    figures.push({
      name: `peak memory of appending ${rows} × 8 rows`,
      value: `${made.peakRssMiB} MiB (${million(made.rowsPerSecond)})`,
      bar: '≤ 512 MiB',
      reached: made.peakRssMiB <= 512,
    })
    for (const filtered of ['no', 'yes']) {
      const args = [made.metadata, filtered, String(SCANS)]
      const own = await inChild<Scanned>(script('scan'), args)
      const peers = await python<[duckdb: Scanned, pyarrow: Scanned]>(peer, PEER_SCAN, args)
      const text = (name: string, { seconds, rows: found }: Scanned): string => {
        if (found !== own.rows) throw new Error(`${name} scanned ${found} rows, floe ${own.rows}`)
        return `${name} ${seconds.toFixed(2)} s (×${(own.seconds / seconds).toFixed(1)})`
      }
      figures.push({
        name: `scan of ${rows} × 8${filtered === 'yes' ? ', filtered' : ''} (best of ${SCANS})`,
        value: `${own.seconds.toFixed(2)} s (${million(rows / own.seconds)})`,
        peer:
          peers === null
            ? none
            : `${text('DuckDB', peers[0])}, ${text('PyArrow', peers[1])} (best of ${SCANS} each)`,
      })
    }
  } finally {
    folder.remove()
  }
}

interface FirstRow {
  readonly imported: number
  readonly firstRow: number
  readonly commits: readonly number[]
}

async function start(): Promise<void> {
  const runs: FirstRow[] = []
  for (let i = 0; i < 7; i++) {
    const folder = temporaryFolder()
    try {
      runs.push(await inChild<FirstRow>(script('first-row'), [`${folder.path}/lake`]))
    } finally {
      folder.remove()
    }
  }
  const imported = median(runs.map((r) => r.imported))
  const first = median(runs.map((r) => r.firstRow))
  figures.push(
    {
      name: 'import (median of 7)',
      value: `${imported.toFixed(0)} ms`,
      bar: '≤ 30 ms',
      reached: imported <= 30,
    },
    {
      name: 'import → first committed row (median of 7)',
      value: `${first.toFixed(0)} ms`,
      bar: '≤ 500 ms',
      reached: first <= 500,
    },
  )
}

async function commit(): Promise<void> {
  const folder = temporaryFolder()
  try {
    const { commits } = await inChild<FirstRow>(script('first-row'), [`${folder.path}/lake`, '500'])
    const p50 = quantile(commits, 0.5)
    figures.push(
      {
        name: 'commit of one row, local disk with fsync, p50 of 500',
        value: `${p50.toFixed(1)} ms`,
        bar: '≤ 15 ms',
        reached: p50 <= 15,
      },
      { name: 'the same, p99', value: `${quantile(commits, 0.99).toFixed(1)} ms` },
      {
        name: 'commits 30–70 against 460–500, p50',
        value: `${quantile(commits.slice(30, 70), 0.5).toFixed(1)} and ${quantile(commits.slice(460), 0.5).toFixed(1)} ms`,
      },
    )
  } finally {
    folder.remove()
  }
}

async function planning(): Promise<void> {
  const folder = temporaryFolder()
  const files = 100_000 / scale
  try {
    const result = await inChild<Record<'all' | 'byBounds', { ms: number; files: number }>>(
      script('planning'),
      [String(files), folder.path],
    )
    for (const [name, { ms, files: kept }] of Object.entries(result)) {
      figures.push({
        name: `planning over ${files} files, ${name === 'all' ? 'no filter' : `filter by bounds (${kept} kept)`}`,
        value: `${ms.toFixed(0)} ms`,
        bar: '≤ 1000 ms',
        reached: ms <= 1000,
      })
    }
  } finally {
    folder.remove()
  }
}

interface IndexResult {
  readonly buildSeconds: number
  readonly peakMiB: number
  readonly catchUpMs: number
}

async function index(): Promise<void> {
  const rows = 10_000_000 / scale
  const folder = temporaryFolder()
  try {
    const args = [`${folder.path}/lake`, String(rows), '10']
    await inChild<null>(script('index-build'), ['make', ...args, 'none'])
    for (const hashes of ['none', 'hashes']) {
      const runs: IndexResult[] = []
      for (let i = 0; i < 3; i++) {
        runs.push(await inChild<IndexResult>(script('index-build'), ['index', ...args, hashes]))
      }
      const seconds = Math.min(...runs.map((r) => r.buildSeconds))
      const peak = Math.max(...runs.map((r) => r.peakMiB))
      const isPlain = hashes === 'none'
      const what = `${rows} long keys of 10 files${isPlain ? '' : ', with row hashes'}`
      figures.push(
        {
          name: `key index of ${what}, built (best of 3)`,
          value: `${seconds.toFixed(2)} s (${million(rows / seconds)})`,
          ...(isPlain ? { bar: '≤ 4 s', reached: seconds <= 4 } : {}),
        },
        {
          name: 'the same, growth of memory at its peak (highest of 3)',
          value: `${peak} MiB`,
          ...(isPlain ? { bar: '≤ 400 MiB', reached: peak <= 400 } : {}),
        },
        {
          name: 'the same, caught up with 1,000 foreign deletes in 10 files (median of 3)',
          value: `${median(runs.map((r) => r.catchUpMs)).toFixed(0)} ms`,
        },
      )
    }
  } finally {
    folder.remove()
  }
}

async function added(suite: Promise<Figure[]>): Promise<void> {
  figures.push(...(await suite))
}

const RUNS: Readonly<Record<Suite, () => Promise<void>>> = {
  append,
  start,
  commit,
  planning,
  scan,
  index,
  upsert: () => added(upsertSuite(script, flags.quick)),
  s3: () => added(s3Suite(script, flags.quick)),
  delete: () => added(deleteSuite(script, flags.quick)),
  stream: () => added(streamSuite(script, flags.quick)),
  kafka: () => added(kafkaSuite(script, flags.quick)),
}
for (const name of NAMES) {
  if (only?.includes(name) === false) continue
  console.error(`bench: ${name} …`)
  try {
    await RUNS[name]()
  } catch (error) {
    // The figures of the others are worth having all the same.
    console.error(`bench: ${name} failed:`, error)
    process.exitCode = 1
  }
}
console.log(`\n${machine()}\n`)
printFigures(figures)
const results = join(ROOT, 'bench', 'results')
mkdirSync(results, { recursive: true })
writeFileSync(
  join(results, 'latest.json'),
  JSON.stringify({ machine: machine(), figures }, null, 2),
)
