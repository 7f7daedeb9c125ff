/** Suite `upsert`: changes of a thousand rows by key, beside PyIceberg's upsert and DuckDB's MERGE of the same rows. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { installedPart, peerInterpreter, ROOT } from './installed.js'
import { type Figure, inChild, lastLine, median, quantile, temporaryFolder } from './measure.js'
import { run } from './processes.js'
import { startRestCatalog } from './rest-catalog.js'

interface UpsertResult {
  readonly upserts: readonly number[]
}

interface PeerResult {
  readonly pyiceberg: { readonly ms: readonly number[] } | null
  readonly duckdb: { readonly ms: readonly number[] } | { readonly error: string } | null
}

interface Case {
  readonly name: string
  readonly rows: number
  readonly files: number
  readonly batch: number
  readonly times: number
  readonly version?: 2
  /** Bar of the p50, in milliseconds. */
  readonly barMs: number
  /** PyIceberg takes long with large tables. */
  readonly pyiceberg: boolean
}

/** Upserts that peers do, and that floe's are compared by: the first ones, of the same keys. Peers take seconds. */
const COMPARED = { full: 20, quick: 5 }

/** @param script gives the compiled path of a child of this folder */
export async function upsertSuite(
  script: (name: string) => string,
  quick: boolean,
): Promise<Figure[]> {
  const scale = quick ? 10 : 1
  const times = quick ? 30 : 200
  const one = 1_000_000 / scale
  const ten = 10_000_000 / scale
  const cases: readonly Case[] = [
    {
      name: `upsert of 1,000 random keys into ${one} × 8, 1 file`,
      rows: one,
      files: 1,
      batch: 1000,
      times,
      barMs: 40,
      pyiceberg: true,
    },
    {
      name: `upsert of 1,000 random keys into ${ten} × 8, 10 files`,
      rows: ten,
      files: 10,
      batch: 1000,
      times,
      barMs: 100,
      pyiceberg: false,
    },
    {
      name: 'upsert of all rows of 1,000 × 8',
      rows: 1000,
      files: 1,
      batch: 1000,
      times,
      barMs: 20,
      pyiceberg: true,
    },
  ]
  const compared = quick ? COMPARED.quick : COMPARED.full
  const figures: Figure[] = []
  for (const c of cases) figures.push(...(await upsertCase(script, c, compared)))
  figures.push(...(await growth(script, one, quick ? 100 : 500)))
  return figures
}

async function upsertCase(
  script: (name: string) => string,
  c: Case,
  compared: number,
): Promise<Figure[]> {
  const { upserts } = await measured(script, c)
  const second = (await measured(script, { ...c, version: 2 })).upserts
  const [p50, p99] = [quantile(upserts, 0.5), quantile(upserts, 0.99)]
  const first = median(upserts.slice(0, compared))
  return [
    {
      name: `${c.name}, p50 of ${c.times}`,
      value: `${p50.toFixed(1)} ms`,
      bar: `≤ ${c.barMs} ms`,
      reached: p50 <= c.barMs,
    },
    {
      name: `the first ${compared} of them, p50`,
      value: `${first.toFixed(1)} ms`,
      peer: await peers(c, first, compared),
    },
    { name: 'all of them, p99', value: `${p99.toFixed(1)} ms` },
    { name: 'the same in format v2, p50', value: `${quantile(second, 0.5).toFixed(1)} ms` },
  ]
}

const WINDOW = 20

/** Whether late commits are as fast as early ones. */
async function growth(
  script: (name: string) => string,
  rows: number,
  times: number,
): Promise<Figure[]> {
  const { upserts } = await measured(script, { rows, files: 1, batch: 1000, times })
  const early = quantile(upserts.slice(40, 40 + WINDOW), 0.5)
  const late = quantile(upserts.slice(times - WINDOW), 0.5)
  const ratio = late / early
  return [
    {
      name: `upserts ${times - WINDOW}–${times} against 40–${40 + WINDOW} into ${rows} × 8, p50`,
      value: `${late.toFixed(1)} and ${early.toFixed(1)} ms (×${ratio.toFixed(2)})`,
      bar: '≤ ×1.5',
      reached: ratio <= 1.5,
    },
  ]
}

async function measured(
  script: (name: string) => string,
  c: Pick<Case, 'rows' | 'files' | 'batch' | 'times' | 'version'>,
): Promise<UpsertResult> {
  const folder = temporaryFolder()
  try {
    const args = [c.rows, c.files, c.batch, c.times].map(String)
    return await inChild<UpsertResult>(script('upsert'), [
      ...args,
      join(folder.path, 'lake'),
      String(c.version ?? 3),
    ])
  } finally {
    folder.remove()
  }
}

/** What peers take for the first upserts, all of the same keys, after one of one row as floe's. */
async function peers(c: Case, ownMs: number, compared: number): Promise<string> {
  const interpreter = peerInterpreter()
  if (interpreter === undefined) return 'peers not installed'
  const folder = temporaryFolder()
  const rest = await restCatalog(folder.path)
  try {
    const work = join(folder.path, 'peer')
    mkdirSync(work)
    const output = await run(
      interpreter,
      [
        join(ROOT, 'bench', 'peers', 'upsert.py'),
        ...[c.rows, c.files, c.batch].map(String),
        work,
        rest.catalog?.url ?? 'none',
        ...[c.pyiceberg ? compared : 0, compared].map(String),
      ],
      'The peers of the upsert',
    )
    const result = lastLine<PeerResult>(output)
    const text = (name: string, ms: readonly number[]) => {
      const p50 = median(ms)
      return `${name} ${p50.toFixed(0)} ms (p50 of ${ms.length}, ×${(p50 / ownMs).toFixed(1)})`
    }
    const parts: string[] = []
    if (result.pyiceberg !== null) parts.push(text('PyIceberg upsert', result.pyiceberg.ms))
    if (result.duckdb === null) parts.push(`DuckDB MERGE: ${rest.missing ?? 'not run'}`)
    else if ('error' in result.duckdb) parts.push(`DuckDB MERGE: ${result.duckdb.error}`)
    else parts.push(text('DuckDB MERGE', result.duckdb.ms))
    return parts.join(', ').replaceAll(/\s+/g, ' ')
  } finally {
    await rest.catalog?.stop()
    folder.remove()
  }
}

async function restCatalog(work: string) {
  const folder = installedPart('rest-catalog')
  if (folder === undefined) return { missing: 'REST catalog not installed' }
  try {
    return { catalog: await startRestCatalog(folder, work) }
  } catch (error) {
    return { missing: (error as Error).message }
  }
}
