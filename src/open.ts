/**
 * The entry points, loading the engine when they are first called: importing floe costs a few milliseconds, and a
 * process that only builds schemas or predicates never pays for the rest.
 */
import type { Lake, LakeOptions, OpenTableOptions } from './iceberg/table/lake.ts'
import type { Table } from './iceberg/table/table.ts'

/**
 * Opens a lake, and makes it if there is none: a folder with tables and the catalog that names them.
 * @param location an absolute or relative path, or a URI: `file:///data/lake`, `s3://bucket/lake`, `memory://test`.
 * @throws BAD_LOCATION (also where a file is in its place), UNSUPPORTED_STORE, NO_SUCH_LAKE, CORRUPT_CATALOG, BAD_ARGUMENT
 */
export async function openLake(location: string, options?: LakeOptions): Promise<Lake> {
  const engine = await import('./iceberg/table/lake.ts')
  return engine.openLake(location, options, {
    upsertEngine: async (env) => new (await import('./merge/upsert-engine.ts')).KeyedUpserts(env),
  })
}

/**
 * Opens a table of any catalog for reading, by the location of a metadata file. Close it when done.
 * @throws BAD_LOCATION, FILE_NOT_FOUND, BAD_METADATA, FORMAT_VERSION, PATH_OUTSIDE_ROOT when files are reached
 */
export async function openTable(
  metadataLocation: string,
  options?: OpenTableOptions,
): Promise<Table> {
  const engine = await import('./iceberg/table/lake.ts')
  return engine.openTable(metadataLocation, options)
}
