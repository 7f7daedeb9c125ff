/** The endpoints of tables. */
import { sha256Hex } from '../../core/digest.ts'
import { isFloeError } from '../../core/errors.ts'
import { type JsonObject, stringifyJson } from '../../core/json.ts'
import { type Answer, type Handler, jsonAnswer, NO_CONTENT, type RestRequest } from './answer.ts'
import { asksForKeys, clientConfig } from './client-config.ts'
import { readMetricsReport } from './metrics-report.ts'
import { lakeNamespace, lakeTable, levelsOf } from './names.ts'
import { existingNamespace } from './namespaces.ts'
import type { ResolvedServeOptions, ServedLake } from './options.ts'
import { pageOf } from './page.ts'
import { badRequest, noSuchTable } from './rest-error.ts'
import { type SnapshotsMode, TableMetadataCache } from './table-metadata-cache.ts'
import { tellOperator } from './tell-operator.ts'

/** GET /v1/namespaces/{namespace}/tables */
export function listTables(lake: ServedLake): Handler {
  return async ({ variables, query }): Promise<Answer> => {
    const levels = await existingNamespace(lake, variables[0] as string)
    const namespace = lakeNamespace(levels) as string
    const page = pageOf(await lake.listTables(namespace), query, `tables ${namespace}`)
    return jsonAnswer(200, {
      identifiers: page.items.map((name) => ({
        namespace: [...levels],
        name: name.slice(namespace.length + 1),
      })),
      'next-page-token': page.nextPageToken,
    })
  }
}

/** HEAD /v1/namespaces/{namespace}/tables/{table} */
export function tableExists(lake: ServedLake): Handler {
  return async (request): Promise<Answer> => {
    await latestVersion(lake, request)
    return NO_CONTENT
  }
}

/**
 * GET /v1/namespaces/{namespace}/tables/{table}: the latest committed version, looked up at each request. A client
 * that has it already is told so.
 */
export function loadTable(options: ResolvedServeOptions): Handler {
  const { lake } = options
  const metadata = new TableMetadataCache(lake, options.cacheBytes)
  const configs = [clientConfig(options, false), clientConfig(options, true)] as const
  return async (request): Promise<Answer> => {
    const mode = snapshotsMode(request.query.get('snapshots'))
    const config = configs[asksForKeys(request.header('x-iceberg-access-delegation')) ? 1 : 0]
    const { name, location } = await latestVersion(lake, request)
    const headers = (version: string): Record<string, string> => ({
      ETag: etagOf(version, mode, config),
      // Whoever keeps an answer has to ask before each use. It may hold keys.
      'Cache-Control': 'private, no-cache',
      Vary: 'X-Iceberg-Access-Delegation',
    })
    if (matches(request.header('if-none-match'), etagOf(location, mode, config))) {
      return { status: 304, headers: headers(location), body: [] }
    }
    try {
      const version = await metadata.load(name, location, mode)
      return {
        status: 200,
        headers: { 'Content-Type': 'application/json', ...headers(version.location) },
        body: [
          Buffer.from(`{"metadata-location":${stringifyJson(version.location)},"metadata":`),
          version.json,
          Buffer.from(`,"config":${stringifyJson(config)}}`),
        ],
      }
    } catch (error) {
      // It may have been dropped since.
      throw isFloeError(error, 'NO_SUCH_TABLE') ? unknownTable(request) : error
    }
  }
}

/** POST /v1/namespaces/{namespace}/tables/{table}/metrics */
export function reportMetrics(options: ResolvedServeOptions): Handler {
  return async (request): Promise<Answer> => {
    const type = request.header('content-type') ?? ''
    // Web pages can send other types without being asked about it.
    if (!/^application\/json\s*(;|$)/i.test(type)) {
      throw badRequest('The Content-Type of a metrics report must be application/json')
    }
    const { name } = await latestVersion(options.lake, request)
    const report = readMetricsReport(request.body, name)
    // As an async function may stand here too, both ways of failing are looked for; the engine waits for neither.
    const taken = (async () => options.onReport?.(report))()
    taken.catch((error: unknown) => tellOperator(options, error, `onReport of ${name}`))
    return NO_CONTENT
  }
}

/** Where the table that a path names is now. @throws RestError 404 */
async function latestVersion(
  lake: ServedLake,
  request: RestRequest,
): Promise<{ readonly name: string; readonly location: string }> {
  const [namespace, table] = request.variables as readonly [string, string]
  const name = lakeTable(levelsOf(namespace), table)
  if (name === undefined) throw unknownTable(request)
  try {
    return { name, location: await lake.metadataLocation(name) }
  } catch (error) {
    throw isFloeError(error, 'NO_SUCH_TABLE') ? unknownTable(request) : error
  }
}

function unknownTable(request: RestRequest): Error {
  const [namespace, table] = request.variables as readonly [string, string]
  return noSuchTable(levelsOf(namespace), table)
}

function snapshotsMode(text: string | null): SnapshotsMode {
  if (text === null || text === 'all') return 'all'
  if (text === 'refs') return 'refs'
  throw badRequest('snapshots must be all or refs')
}

/** Tells answers apart: versions have locations of their own. */
function etagOf(location: string, mode: SnapshotsMode, config: JsonObject): string {
  return `"${sha256Hex(`${location}\n${mode}\n${stringifyJson(config)}`).slice(0, 32)}"`
}

/** If-None-Match of RFC 9110, which compares weakly. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((item) => {
    const tag = item.trim()
    return tag === '*' || tag.replace(/^W\//, '') === etag
  })
}
