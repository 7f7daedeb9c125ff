/** What docs/pipeline.md says to write in Trino, run as it stands there on tables that the pipeline made. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lake, openLake } from '../../src/index.ts'
import { type CatalogServer, serveCatalog } from '../../src/serve/index.ts'
import { ENGINES, trino, WORK } from './client.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/examples/pipeline/run.js', import.meta.url))
const PAGE = readFileSync(new URL('../../docs/pipeline.md', import.meta.url), 'utf8')

/** The blocks of the page in a language, each without its fence. */
function blocks(language: string): string[] {
  return [...PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text as string)
}

describe.runIf(ENGINES.includes('trino'))("Trino's part of docs/pipeline.md", () => {
  /** The page's `floe` is another catalog of the Trino that runs here. */
  const catalog = 'pipeline_docs'
  let lake: Lake
  let server: CatalogServer

  beforeAll(async () => {
    const folder = `${WORK}/pipeline-docs`
    const flags = ['--for', '5s', '--rate', '2000', '--malformed', '0.02', '--lake', folder]
    const child = spawn(process.execPath, [PROGRAM, ...flags, '--catalog-port', 'off'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    expect((await once(child, 'close'))[0]).toBe(0)
    lake = await openLake(`${folder}/lake`, { readOnly: true })
    server = await serveCatalog({ lake })
  })
  afterAll(async () => {
    await trino(`DROP CATALOG IF EXISTS ${catalog}`)
    await server?.close()
    await lake?.close()
  })

  it('attaches with the properties', async () => {
    const [block, ...more] = blocks('properties')
    expect(more).toEqual([])
    const properties = new Map(
      (block as string)
        .trim()
        .split('\n')
        .map((line) => line.split('=', 2) as [string, string]),
    )
    const connector = properties.get('connector.name')
    properties.delete('connector.name')
    expect(properties.get('iceberg.rest-catalog.uri')).toBe('http://127.0.0.1:8181')
    properties.set('iceberg.rest-catalog.uri', server.url)
    const list = [...properties].map(([key, value]) => `"${key}" = '${value}'`)
    await trino(`CREATE CATALOG ${catalog} USING ${connector} WITH (${list.join(', ')})`)
  })

  it('runs the SQL', async () => {
    const statements = blocks('sql')
      .flatMap((block) => block.split(';'))
      .map((text) => text.trim())
      .filter((text) => text !== '')
    expect(statements.length).toBe(3)
    const answers = []
    for (const statement of statements) {
      expect(statement).toContain('FROM floe.')
      answers.push(await trino(statement.replaceAll('FROM floe.', `FROM ${catalog}.`)))
    }
    const [viral = [], broken = [], watched = []] = answers

    expect(viral.map((row) => Object.keys(row))).toEqual(
      new Array(10).fill(['video_id', 'score', 'views', 'likes', 'shares']),
    )
    const scores = viral.map(({ score }) => Number(score))
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(scores.at(-1)).toBeGreaterThan(0)

    const bronze = await lake.table('bronze.raw_events')
    const reasons = new Map<string, number>()
    for await (const { reason } of bronze.scan({ select: ['reason'] }).rows()) {
      if (reason !== null) reasons.set(String(reason), (reasons.get(String(reason)) ?? 0) + 1)
    }
    expect(reasons.size).toBeGreaterThan(1)
    const counted = broken.map((row) => [row['reason'], Number(row['_col1'])] as const)
    expect(new Map(counted)).toEqual(reasons)

    expect(watched.map((row) => Object.keys(row))).toEqual(new Array(10).fill(['watched_ms']))
    expect(watched.some(({ watched_ms }) => Number(watched_ms) > 0)).toBe(true)
  })
})
