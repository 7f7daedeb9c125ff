/** Which path and method means what. All paths of the REST specification are known, so that what is not served is said to be so. */
import type { Handler } from './answer.ts'
import { getConfig } from './config.ts'
import { listNamespaces, loadNamespace, namespaceExists } from './namespaces.ts'
import type { ResolvedServeOptions } from './options.ts'
import { listTables, loadTable, reportMetrics, tableExists } from './tables.ts'

export interface Route {
  /** Parts between slashes after `/v1`; `*` is a variable. */
  readonly parts: readonly string[]
  readonly handlers: ReadonlyMap<string, Handler>
  /** Methods of the specification that this server does not support. */
  readonly refused: readonly string[]
}

/** A path's text and its routes' methods that are refused: writes, and what belongs to other catalogs. */
const REFUSED: readonly (readonly [string, ...string[]])[] = [
  ['oauth/tokens', 'POST'],
  ['namespaces', 'POST'],
  ['namespaces/*', 'DELETE'],
  ['namespaces/*/properties', 'POST'],
  ['namespaces/*/tables', 'POST'],
  ['namespaces/*/tables/*', 'POST', 'DELETE'],
  ['namespaces/*/tables/*/plan', 'POST'],
  ['namespaces/*/tables/*/plan/*', 'GET', 'DELETE'],
  ['namespaces/*/tables/*/tasks', 'POST'],
  ['namespaces/*/tables/*/unregister', 'POST'],
  ['namespaces/*/tables/*/credentials', 'GET'],
  ['namespaces/*/tables/*/sign', 'POST'],
  ['namespaces/*/register', 'POST'],
  ['namespaces/*/functions', 'GET'],
  ['namespaces/*/functions/*', 'GET'],
  ['namespaces/*/views', 'GET', 'POST'],
  ['namespaces/*/views/*', 'GET', 'POST', 'DELETE', 'HEAD'],
  ['namespaces/*/register-view', 'POST'],
  ['tables/rename', 'POST'],
  ['views/rename', 'POST'],
  ['transactions/commit', 'POST'],
]

/** What is served, as /v1/config lists it. */
export const ENDPOINTS: readonly string[] = [
  'GET /v1/{prefix}/namespaces',
  'GET /v1/{prefix}/namespaces/{namespace}',
  'HEAD /v1/{prefix}/namespaces/{namespace}',
  'GET /v1/{prefix}/namespaces/{namespace}/tables',
  'GET /v1/{prefix}/namespaces/{namespace}/tables/{table}',
  'HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}',
  'POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics',
]

export function routesOf(options: ResolvedServeOptions): readonly Route[] {
  const { lake } = options
  const served: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
    config: { GET: getConfig(lake, ENDPOINTS) },
    namespaces: { GET: listNamespaces(lake) },
    'namespaces/*': { GET: loadNamespace(lake), HEAD: namespaceExists(lake) },
    'namespaces/*/tables': { GET: listTables(lake) },
    'namespaces/*/tables/*': { GET: loadTable(options), HEAD: tableExists(lake) },
    'namespaces/*/tables/*/metrics': { POST: reportMetrics(options) },
  }
  const refused = new Map(REFUSED.map(([path, ...methods]) => [path, methods]))
  return [...new Set([...Object.keys(served), ...refused.keys()])].map((path) => ({
    parts: path.split('/'),
    handlers: new Map(Object.entries(served[path] ?? {})),
    refused: refused.get(path) ?? [],
  }))
}

/** The route of a path and the values of its variables; undefined for a path that the specification does not have. */
export function findRoute(
  routes: readonly Route[],
  parts: readonly string[],
): { readonly route: Route; readonly variables: readonly string[] } | undefined {
  for (const route of routes) {
    if (route.parts.length !== parts.length) continue
    if (!route.parts.every((part, i) => (part === '*' ? parts[i] !== '' : part === parts[i]))) {
      continue
    }
    return { route, variables: parts.filter((_, i) => route.parts[i] === '*') }
  }
  return undefined
}
