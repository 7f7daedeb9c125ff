/** Iceberg's REST catalog server over local files, its catalog in memory: what DuckDB needs to write tables. */
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { ROOT } from './installed.js'
import { start, stop } from './processes.js'

export interface RestCatalog {
  readonly url: string
  stop(): Promise<void>
}

const READY_TIMEOUT_MS = 60_000

/** Starts the server on a free port. @throws if there is no JDK 17, or the server does not answer */
export async function startRestCatalog(folder: string, work: string): Promise<RestCatalog> {
  const services = join(ROOT, 'test', 'services')
  const { javaHome } = (await import(
    pathToFileURL(join(services, 'install', 'cache.js')).href
  )) as { readonly javaHome: (major: number) => string }
  const { freePort } = (await import(pathToFileURL(join(services, 'running.js')).href)) as {
    readonly freePort: () => Promise<number>
  }
  const warehouse = join(work, 'rest-warehouse')
  mkdirSync(warehouse, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const log = join(work, 'rest-catalog.log')
  const child = start(
    join(javaHome(17), 'bin', 'java'),
    [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      join(folder, 'lib', '*'),
      'org.apache.iceberg.rest.RESTCatalogServer',
    ],
    {
      cwd: work,
      env: {
        ...process.env,
        CATALOG_REST_PORT: String(port),
        CATALOG_URI: 'jdbc:sqlite::memory:',
        CATALOG_WAREHOUSE: pathToFileURL(warehouse).href,
      },
      output: openSync(log, 'w'),
    },
  )
  let failure: string | undefined
  child.on('error', (error) => {
    failure = error.message
  })
  child.on('close', (code) => {
    failure ??= `it ended with ${code}`
  })
  const started = performance.now()
  for (;;) {
    const answer = await fetch(`${url}/v1/config`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.ok === true) return { url, stop: () => stop(child) }
    if (failure === undefined && performance.now() - started > READY_TIMEOUT_MS) {
      failure = 'no answer'
    }
    if (failure !== undefined) {
      await stop(child)
      throw new Error(
        `The REST catalog did not start: ${failure}\n${readFileSync(log, 'utf8').slice(-2000)}`,
      )
    }
    await sleep(50)
  }
}
