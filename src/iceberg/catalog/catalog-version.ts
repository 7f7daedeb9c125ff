/**
 * One version of the default catalog as an object: `catalog/<n, 20 digits>.json`. It names its parent, so that the
 * chain of versions is known, and carries the id of the commit that made it, so that a lost answer can be read back.
 */
import { FloeError, isFloeError } from '../../core/errors.ts'
import {
  asArray,
  asObject,
  asSafeLong,
  asString,
  type JsonObject,
  jsonObject,
  parseJsonBytes,
  stringifyJson,
} from '../../core/json.ts'

export interface CatalogVersion {
  readonly number: number
  /** Random, unique to this object. */
  readonly id: string
  /** Id of the version that this one was made from; null for the first. */
  readonly parentId: string | null
  readonly commitId: string
  readonly timestampMs: number
  /** Dotted names, sorted. */
  readonly namespaces: readonly string[]
  /** Dotted table name → metadata location. */
  readonly tables: ReadonlyMap<string, string>
  /** How the store was proved to be atomic when the lake was created. */
  readonly storeCheck: { readonly rounds: number; readonly racers: number }
}

const FORMAT = 'floe-catalog'
const FORMAT_VERSION = 1
const encoder = new TextEncoder()

export function encodeCatalogVersion(version: CatalogVersion): Uint8Array {
  const out = jsonObject()
  out['format'] = FORMAT
  out['format-version'] = FORMAT_VERSION
  out['version'] = version.number
  out['id'] = version.id
  out['parent-id'] = version.parentId
  out['commit-id'] = version.commitId
  out['timestamp-ms'] = version.timestampMs
  out['store-check'] = {
    rounds: version.storeCheck.rounds,
    racers: version.storeCheck.racers,
  }
  out['namespaces'] = [...version.namespaces]
  const tables: JsonObject = jsonObject()
  for (const [name, location] of version.tables) tables[name] = location
  out['tables'] = tables
  return encoder.encode(stringifyJson(out))
}

/** @throws CORRUPT_CATALOG naming the object; FORMAT_VERSION for one of a later floe. */
export function decodeCatalogVersion(bytes: Uint8Array, path: string): CatalogVersion {
  try {
    const o = asObject(parseJsonBytes(bytes, path, 8), path)
    if (o['format'] !== FORMAT) throw new FloeError('CORRUPT_CATALOG', 'it is not a floe catalog')
    const format = asSafeLong(o['format-version'], 'format-version')
    if (format > FORMAT_VERSION) {
      throw new FloeError(
        'FORMAT_VERSION',
        `The catalog ${path} has format version ${format}; this floe reads ${FORMAT_VERSION}. Use a newer one`,
        { context: { file: path } },
      )
    }
    const check = asObject(o['store-check'], 'store-check')
    const tables = new Map<string, string>()
    for (const [name, location] of Object.entries(asObject(o['tables'], 'tables'))) {
      tables.set(name, asString(location, `tables.${name}`))
    }
    return {
      number: asSafeLong(o['version'], 'version'),
      id: asString(o['id'], 'id'),
      parentId: o['parent-id'] === null ? null : asString(o['parent-id'], 'parent-id'),
      commitId: asString(o['commit-id'], 'commit-id'),
      timestampMs: asSafeLong(o['timestamp-ms'], 'timestamp-ms'),
      namespaces: asArray(o['namespaces'], 'namespaces').map((n) => asString(n, 'namespaces[]')),
      tables,
      storeCheck: {
        rounds: asSafeLong(check['rounds'], 'store-check.rounds'),
        racers: asSafeLong(check['racers'], 'store-check.racers'),
      },
    }
  } catch (cause) {
    if (isFloeError(cause, 'FORMAT_VERSION')) throw cause
    const why = cause instanceof Error ? cause.message.replace(/ \[[A-Z_]+\]$/, '') : String(cause)
    throw new FloeError('CORRUPT_CATALOG', `Cannot read the catalog object ${path}: ${why}`, {
      cause,
      context: { file: path },
    })
  }
}

/** `<folder>/00000000000000000042.json` */
export function catalogVersionPath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(20, '0')}.json`
}

/** The number in a version's path, or undefined for another object. */
export function catalogVersionNumber(path: string): number | undefined {
  const match = /\/(\d{20})\.json$/.exec(path)
  if (match === null) return undefined
  const number = Number(match[1])
  return Number.isSafeInteger(number) && number > 0 ? number : undefined
}
