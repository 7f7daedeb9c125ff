/** Opening lakes and tables: the entry points of the library. */
import { checkChoice, checkOptions, type OptionNames } from '../../core/check-options.ts'
import { FloeError } from '../../core/errors.ts'
import { type Limits, resolveLimits } from '../../core/limits.ts'
import { type Runtime, systemRuntime, uuidV4 } from '../../core/runtime.ts'
import { refuseFile } from '../../io/file-system.ts'
import { comparable, localPath, parseLocation, schemeOf } from '../../io/location.ts'
import { openStore } from '../../io/open-store.ts'
import { RootedStore } from '../../io/rooted-store.ts'
import type { S3Options } from '../../io/s3/options.ts'
import type { Durability, ObjectStore } from '../../io/store.ts'
import type { Catalog, TableIdentifier } from '../catalog/catalog.ts'
import { identifierText, parseIdentifier, parseNamespace } from '../catalog/identifier.ts'
import { VersionedObjectCatalog } from '../catalog/versioned-object.ts'
import type { Row } from '../columns/to-rows.ts'
import { openParquetPool } from '../parquet/worker-pool.ts'
import type { FormatVersion } from '../spec/metadata.ts'
import { newTableUpdates } from '../spec/new-table.ts'
import { partitionSpecFromText, sortOrderFromText } from '../spec/partition-spec-builder.ts'
import { Schema } from '../spec/schema.ts'
import {
  assignFreshIds,
  type InferInput,
  type InferRow,
  type SchemaLiteral,
} from '../spec/schema-literal.ts'
import type { MetadataUpdate } from '../spec/updates.ts'
import { commitChanges, type StagedChange } from './commit.ts'
import { type Environment, newCaches } from './environment.ts'
import { tableRoots } from './locations.ts'
import { Table } from './table.ts'
import { noSuchTable, readTableState, type TableState } from './table-state.ts'
import { Transaction, type TransactionOptions } from './transaction.ts'
import type { UpsertEngine } from './upsert-engine.ts'
import { checkWriteProperties } from './write/write-properties.ts'

export interface OpenOptions {
  /** Bounds on memory, sizes and concurrency; see docs/limits.md. */
  readonly limits?: Partial<Limits> | undefined
  /** Threads that encode and decode Parquet, started when first needed. Default 2. */
  readonly workers?: number | undefined
  /** Where the worker's script is, for bundlers. */
  readonly workerUrl?: URL | undefined
  /** How `s3://` locations are reached: endpoint, region, credentials, limits. See docs/s3.md. */
  readonly s3?: S3Options | undefined
  /** A store of your own in place of the location's. It is not closed with the lake. */
  readonly store?: ObjectStore | undefined
  /** Clock, randomness and sleep; for tests and simulation. */
  readonly runtime?: Runtime | undefined
}

export interface LakeOptions extends OpenOptions {
  /** 'fsync' (default): what is committed survives a power loss. 'os': faster, survives a crash of the process. */
  readonly durability?: Durability | undefined
  /** Never write. Default false. */
  readonly readOnly?: boolean | undefined
  /** Make the lake if there is none. Default true unless readOnly. */
  readonly create?: boolean | undefined
  /** Further places that tables of the lake may have files in, beside the lake's own folder. */
  readonly roots?: readonly string[] | undefined
}

const OPEN_OPTIONS: OptionNames<OpenOptions> = {
  limits: true,
  workers: true,
  workerUrl: true,
  s3: true,
  store: true,
  runtime: true,
}

const LAKE_OPTIONS: OptionNames<LakeOptions> = {
  ...OPEN_OPTIONS,
  durability: true,
  readOnly: true,
  create: true,
  roots: true,
}

export interface CreateTableOptions {
  /** Partition fields: `region`, `day(ts)`, `bucket(16, id)`, `truncate(4, item)` … */
  readonly partitionBy?: readonly string[] | undefined
  /** Sort order for writers to follow: `ts desc`, `id` … Recorded in the table; appends keep the order they are given. */
  readonly sortBy?: readonly string[] | undefined
  /** 2 (default) or 3. */
  readonly formatVersion?: 2 | 3 | undefined
  /** Table properties. */
  readonly properties?: Readonly<Record<string, string>> | undefined
  /** Default: `<lake>/<namespace>/<table>`. */
  readonly location?: string | undefined
  /** Open the table if it exists instead of failing. */
  readonly ifNotExists?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const CREATE_OPTIONS: OptionNames<CreateTableOptions> = {
  partitionBy: true,
  sortBy: true,
  formatVersion: true,
  properties: true,
  location: true,
  ifNotExists: true,
  signal: true,
}

/**
 * Opens a lake, and makes it if there is none: a folder with tables and the catalog that names them.
 * @param location an absolute or relative path, or a URI: `file:///data/lake`, `s3://bucket/lake`, `memory://test`.
 * @throws BAD_LOCATION (also where a file is in its place), UNSUPPORTED_STORE, NO_SUCH_LAKE, CORRUPT_CATALOG, BAD_ARGUMENT
 */
export async function openLake(
  location: string,
  options: LakeOptions = {},
  engines: Engines = {},
): Promise<Lake> {
  checkOptions('openLake', options, LAKE_OPTIONS)
  checkChoice('durability', options.durability, ['fsync', 'os'])
  const runtime = options.runtime ?? systemRuntime
  const limits = resolveLimits(options.limits)
  const root = parseLocation(location, process.cwd())
  const own = options.store === undefined
  // The store would say that the catalog's files are missing.
  if (own && schemeOf(root) === 'file') await refuseFile(localPath(root))
  const store =
    options.store ??
    (await openStore(root, {
      runtime,
      durability: options.durability ?? 'fsync',
      s3: options.s3,
    }))
  const roots = [root, ...(options.roots ?? []).map((r) => parseLocation(r, process.cwd()))]
  const rooted = new RootedStore(store, { roots })
  const env = openEnvironment(rooted, runtime, limits, { ...options, ...engines })
  try {
    const catalog = await VersionedObjectCatalog.open({
      store: env.store,
      location: root,
      runtime,
      limits,
      readOnly: options.readOnly ?? false,
      ...(options.create === undefined ? {} : { create: options.create }),
    })
    // The first append should not wait for a worker to start; a reader may never need one.
    if (options.readOnly !== true) void env.pool.prewarm()
    return new Lake(env, catalog, root, own ? store : undefined)
  } catch (error) {
    await env.pool.close()
    if (own) await store.close()
    throw error
  }
}

/** What layers above put into a lake. */
export interface Engines {
  /** Makes the engine for upserts, when it is first asked for. */
  readonly upsertEngine?: ((env: Environment) => Promise<UpsertEngine>) | undefined
}

export interface OpenTableOptions extends OpenOptions {
  /** Further places that the table may have files in, beside its location and write paths. */
  readonly roots?: readonly string[] | undefined
  /** Prefix in the table's metadata → prefix where the files are now, for tables that were moved. */
  readonly pathMapping?: Readonly<Record<string, string>> | undefined
}

/**
 * Opens a table of any catalog for reading, by the location of a metadata file. Close it when done.
 * @throws BAD_LOCATION, FILE_NOT_FOUND, BAD_METADATA, FORMAT_VERSION, PATH_OUTSIDE_ROOT when files are reached
 */
export async function openTable(
  metadataLocation: string,
  options: OpenTableOptions = {},
): Promise<Table> {
  checkOptions('openTable', options, { ...OPEN_OPTIONS, roots: true, pathMapping: true })
  const runtime = options.runtime ?? systemRuntime
  const limits = resolveLimits(options.limits)
  const location = parseLocation(metadataLocation, process.cwd())
  const own = options.store === undefined
  const store =
    options.store ?? (await openStore(location, { runtime, durability: 'fsync', s3: options.s3 }))
  const identifier: TableIdentifier = { namespace: [], name: location }
  const reader = openEnvironment(store, runtime, limits, options)
  try {
    // The caller named this file, so it may lie anywhere; what it names may not.
    const state = await readTableState(reader, identifier, location)
    const mapping = options.pathMapping ?? {}
    const roots = [
      ...tableRoots(state.metadata),
      ...(options.roots ?? []).map((r) => parseLocation(r, process.cwd())),
      ...Object.values(mapping),
    ]
    const rooted = new RootedStore(store, { roots, pathMapping: mapping })
    const canonicalPath = (path: string): string => rooted.canonicalPath(path)
    const env = { ...reader, store: rooted, canonicalPath }
    const close = async (): Promise<void> => {
      await reader.pool.close()
      if (own) await store.close()
    }
    return new Table({ env, catalog: null, state, close })
  } catch (error) {
    await reader.pool.close()
    if (own) await store.close()
    throw error
  }
}

/** A catalog and the store that its tables live in. */
export class Lake {
  /** URI of the lake's folder. */
  readonly location: string
  readonly #env: Environment
  readonly #catalog: Catalog
  readonly #ownStore: ObjectStore | undefined
  #closed = false

  /** Use {@link openLake}. */
  constructor(
    env: Environment,
    catalog: Catalog,
    location: string,
    ownStore: ObjectStore | undefined,
  ) {
    this.#env = env
    this.#catalog = catalog
    this.location = location
    this.#ownStore = ownStore
  }

  /**
   * Creates a table.
   * @param schema a literal from `schema({...})`, or a `Schema` whose field ids are kept.
   * @throws TABLE_EXISTS, BAD_NAME, BAD_SCHEMA, BAD_PARTITION_SPEC, BAD_SORT_ORDER, FORMAT_VERSION, READ_ONLY; BAD_ARGUMENT,
   *   UNSUPPORTED_CODEC for properties
   */
  async createTable<S extends SchemaLiteral | Schema>(
    name: string,
    schema: S,
    options: CreateTableOptions = {},
  ): Promise<Table<RowOf<S>, InputOf<S>>> {
    this.#checkOpen()
    checkOptions('createTable', options, CREATE_OPTIONS)
    const identifier = parseIdentifier(name)
    const resolved = schema instanceof Schema ? schema : assignFreshIds(schema)
    const location =
      options.location === undefined
        ? this.#catalog.defaultTableLocation(identifier)
        : parseLocation(options.location, process.cwd())
    const properties = checkedProperties(options.properties ?? {})
    checkWriteProperties(this.#env, properties)
    const updates = createUpdates(
      resolved,
      { ...options, properties },
      location,
      uuidV4(this.#env.runtime),
    )
    const change: StagedChange = {
      identifier,
      staged: null,
      plan: async () => ({ updates, requirements: [{ type: 'assert-create' }] }),
    }
    try {
      const { states } = await commitChanges(this.#env, this.#catalog, [change], {
        signal: options.signal,
      })
      return this.#handle(states[0] as TableState)
    } catch (error) {
      if (options.ifNotExists === true && (error as FloeError).code === 'TABLE_EXISTS') {
        return (await this.table(name)) as unknown as Table<RowOf<S>, InputOf<S>>
      }
      throw error
    }
  }

  /** A handle on the latest version of a table. @throws NO_SUCH_TABLE, BAD_NAME */
  async table<R = Row, I = Record<string, unknown>>(name: string): Promise<Table<R, I>> {
    const location = await this.metadataLocation(name)
    return this.#handle(await readTableState(this.#env, parseIdentifier(name), location))
  }

  /**
   * Where the metadata of a table's latest version is: what tells versions apart, without reading the file.
   * @throws NO_SUCH_TABLE, BAD_NAME
   */
  async metadataLocation(name: string): Promise<string> {
    this.#checkOpen()
    const identifier = parseIdentifier(name)
    const [location] = await this.#catalog.loadPointers([identifier])
    if (location === undefined || location === null) throw noSuchTable(identifier)
    return location
  }

  /** Names of all tables, or of those of one namespace, sorted. */
  async listTables(namespace?: string): Promise<string[]> {
    this.#checkOpen()
    const parts = namespace === undefined ? undefined : parseNamespace(namespace)
    return (await this.#catalog.listTables(parts)).map(identifierText)
  }

  /** Dotted names of all namespaces, sorted. Creating a table creates its namespace. */
  async listNamespaces(): Promise<string[]> {
    this.#checkOpen()
    return (await this.#catalog.listNamespaces()).map((parts) => parts.join('.'))
  }

  /** Creates a namespace; does nothing if it exists. @throws BAD_NAME, READ_ONLY */
  async createNamespace(name: string): Promise<void> {
    this.#checkOpen()
    await this.#catalog.createNamespace(parseNamespace(name))
  }

  /** Drops an empty namespace. @throws NO_SUCH_NAMESPACE, BAD_ARGUMENT, READ_ONLY */
  async dropNamespace(name: string): Promise<void> {
    this.#checkOpen()
    await this.#catalog.dropNamespace(parseNamespace(name))
  }

  /** Removes a table from the catalog. Its files stay. @throws NO_SUCH_TABLE, READ_ONLY */
  async dropTable(name: string): Promise<void> {
    const { state: staged } = await this.table(name)
    await commitChanges(this.#env, this.#catalog, [
      { identifier: staged.identifier, staged, plan: async () => 'drop' as const },
    ])
  }

  /** Begins a transaction over any tables of the lake. Nothing is visible before its `commit()`. */
  transaction(options: TransactionOptions = {}): Transaction {
    this.#checkOpen()
    return new Transaction(this.#env, this.#catalog, options)
  }

  /** Ends workers and frees handles. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#catalog.close()
    await this.#env.upserts?.close()
    await this.#env.pool.close()
    await this.#ownStore?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #handle<R, I>(state: TableState): Table<R, I> {
    return new Table<R, I>({ env: this.#env, catalog: this.#catalog, state })
  }

  #checkOpen(): void {
    if (this.#closed) throw new FloeError('HANDLE_CLOSED', 'This lake is closed. Open it again')
  }
}

/** The rows that scans of a table with this schema give. */
export type RowOf<S> = S extends SchemaLiteral ? InferRow<S> : Row
/** The rows that appends to a table with this schema take. */
export type InputOf<S> = S extends SchemaLiteral ? InferInput<S> : Record<string, unknown>

function openEnvironment(
  store: ObjectStore,
  runtime: Runtime,
  limits: Limits,
  options: OpenOptions & Engines,
): Environment {
  const env: Environment = {
    store,
    runtime,
    limits,
    pool: openParquetPool({
      limits,
      runtime,
      workers: options.workers,
      workerUrl: options.workerUrl,
    }),
    ...newCaches(),
    canonicalPath: comparable,
    checkPath: (path) => {
      if (store instanceof RootedStore) store.checkPath(path)
    },
  }
  const { upsertEngine } = options
  return upsertEngine === undefined ? env : withUpserts(env, upsertEngine)
}

function withUpserts(
  base: Environment,
  make: (env: Environment) => Promise<UpsertEngine>,
): Environment {
  let made: Promise<UpsertEngine> | undefined
  const env: Environment = {
    ...base,
    upserts: {
      engine: () => {
        made ??= make(env)
        return made
      },
      close: async () => {
        const engine = await made?.catch(() => undefined)
        engine?.close()
      },
    },
  }
  return env
}

function createUpdates(
  schema: Schema,
  options: CreateTableOptions,
  location: string,
  uuid: string,
): readonly MetadataUpdate[] {
  const formatVersion: FormatVersion = options.formatVersion ?? 2
  if (formatVersion !== 2 && formatVersion !== 3) {
    throw new FloeError('FORMAT_VERSION', 'Tables are created with formatVersion 2 or 3')
  }
  return newTableUpdates({
    uuid,
    formatVersion,
    location,
    schema,
    spec: partitionSpecFromText(options.partitionBy ?? [], schema),
    sortOrder: sortOrderFromText(options.sortBy ?? [], schema),
    properties: options.properties ?? {},
  })
}

function checkedProperties(
  properties: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value !== 'string') {
      throw new FloeError('BAD_ARGUMENT', `The table property ${key} must be a string`)
    }
  }
  return properties
}
