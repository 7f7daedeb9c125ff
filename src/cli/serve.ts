/** `floe serve`: a lake as an Iceberg REST catalog. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FloeError, isFloeError } from '../core/errors.ts'
import { systemRuntime } from '../core/runtime.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import { LocalStore } from '../io/local.ts'
import { localPath, parseLocation } from '../io/location.ts'
import type { S3Options } from '../io/s3/options.ts'
import { openLake } from '../open.ts'
import type { S3ClientSettings, VendedCredentials } from '../serve/rest-catalog/options.ts'
import { serveCatalog } from '../serve/rest-catalog/serve-catalog.ts'
import { type AttachSettings, attachText } from './attach-text.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT, UsageError } from './exit-code.ts'

const DEFAULT_PORT = 8181
/** How a location begins that is a URI. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i

const HELP = `Usage: floe serve LOCATION [options]

Serves a lake as an Iceberg REST catalog, for reading: Trino, Spark, PyIceberg and DuckDB attach to it and read the
tables as they are at each query, while other processes write them. Ends with Ctrl-C or SIGTERM.

LOCATION is the lake's folder or URI: ./lake, file:///data/lake, s3://bucket/lake.

  --host ADDRESS         where to listen (default 127.0.0.1: this machine alone). There is no authentication: with
                         another address, such as 0.0.0.0, whoever reaches the port can read the names, schemas and
                         file locations of all tables. The files themselves are read by the engines, with the rights
                         that they have
  --port NUMBER          default ${DEFAULT_PORT}; 0 takes any free port and prints it
  --s3-endpoint URL      server of s3:// lakes other than Amazon's; also sent to the engines
  --s3-region NAME       region of s3:// lakes; also sent to the engines
  --s3-virtual-hosted    the bucket in the host name though there is an endpoint; also sent to the engines
  --vend-credentials     hand the keys of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to engines
                         that ask for them. Only on the loopback interface
  --help                 this text

The keys with which floe itself reads s3:// lakes come from where the AWS SDK looks: the environment, ~/.aws, the
instance.

Exit codes: 0 ended by a signal, 1 failed (the port is in use), 2 wrong arguments, 3 no such lake, 6 damaged catalog.
`

export const serveCommand: Command = {
  name: 'serve',
  summary: 'serves a lake to Trino, Spark, PyIceberg and DuckDB as an Iceberg REST catalog',
  help: HELP,
  run: serve,
}

async function serve(args: readonly string[], context: CommandContext): Promise<number> {
  const options = parse(args)
  const clientSettings = clientS3Settings(options)
  const vendedCredentials = options.vendCredentials ? credentialsOf(context.env) : undefined
  const lake = await open(options)
  try {
    const server = await serveCatalog({
      lake,
      host: options.host,
      port: options.port,
      signal: context.signal,
      ...(clientSettings === undefined ? {} : { s3: clientSettings }),
      vendedCredentials,
      onError: (error, request) => context.err(`floe serve: ${request}: ${String(error)}\n`),
    })
    context.out(`Serving ${lake.location} for reading at ${server.url}\n\n`)
    context.out(
      attachText({
        url: server.url,
        onAllAddresses: server.host === '0.0.0.0' || server.host === '::',
        s3: attachS3(options, clientSettings),
      }),
    )
    await aborted(context.signal)
    await server.close()
    return EXIT.ok
  } catch (error) {
    // Told to end before it listened.
    if (context.signal.aborted && isFloeError(error, 'ABORTED')) return EXIT.ok
    throw error
  } finally {
    await lake.close()
  }
}

/** @throws NO_SUCH_LAKE in words for who has the program alone, and what openLake throws */
async function open(options: ServeArguments): Promise<Lake> {
  const { location } = options
  try {
    return await openReadOnly(location, options)
  } catch (error) {
    const file = options.onS3 ? undefined : await fileAt(location)
    if (file !== undefined) {
      throw noSuchLake(`${file} is a file, and a lake is a folder`, error)
    }
    if (!isFloeError(error, 'NO_SUCH_LAKE')) throw error
    const below = `${location.replace(/\/+$/, '')}/lake`
    const hint = (await isLake(below, options))
      ? `There is one in it: floe serve ${below}`
      : 'floe serve serves lakes that a program has made with openLake'
    throw noSuchLake(`There is no lake at ${location}. ${hint}`, error)
  }
}

function openReadOnly(location: string, options: ServeArguments): Promise<Lake> {
  return openLake(location, {
    readOnly: true,
    ...(options.onS3 ? { s3: storeOptions(options) } : {}),
  })
}

async function isLake(location: string, options: ServeArguments): Promise<boolean> {
  try {
    await (await openReadOnly(location, options)).close()
    return true
  } catch {
    return false
  }
}

/** The path of a local location, or of what it lies below, if a file is there. */
async function fileAt(location: string): Promise<string | undefined> {
  try {
    const store = new LocalStore({ runtime: systemRuntime, durability: 'os' })
    let uri = parseLocation(location, process.cwd())
    for (; localPath(uri) !== ''; uri = uri.slice(0, uri.lastIndexOf('/'))) {
      // Folders are none to a store.
      if ((await store.stat(uri)) !== null) return localPath(uri)
    }
  } catch {
    // Whatever it is: the error of opening the lake says more.
  }
  return undefined
}

function noSuchLake(message: string, cause: unknown): FloeError {
  return new FloeError('NO_SUCH_LAKE', message, { cause })
}

function attachS3(
  options: ServeArguments,
  settings: S3ClientSettings | undefined,
): AttachSettings['s3'] {
  if (!options.onS3) return undefined
  return {
    endpoint: settings?.endpoint,
    region: settings?.region,
    pathStyleAccess: settings?.pathStyleAccess ?? false,
    vended: options.vendCredentials,
  }
}

interface ServeArguments {
  readonly location: string
  readonly onS3: boolean
  readonly host: string
  readonly port: number
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly virtualHosted: boolean
  readonly vendCredentials: boolean
}

/** @throws UsageError */
function parse(args: readonly string[]): ServeArguments {
  const { values, positionals } = parsed(args)
  const [location, ...more] = positionals
  if (location === undefined || location === '') throw new UsageError('LOCATION is missing')
  if (more.length > 0) throw new UsageError(`one LOCATION is served, not ${more.length + 1}`)
  const onS3 = /^s3[an]?:\/\//i.test(location)
  for (const name of [
    's3-endpoint',
    's3-region',
    's3-virtual-hosted',
    'vend-credentials',
  ] as const) {
    if (values[name] !== undefined && !onS3)
      throw new UsageError(`--${name} is for s3:// locations`)
  }
  return {
    // A lake's location has no `..`, as those that programs put together from names must not; who types one means it.
    location: SCHEME.test(location) ? location : resolve(location),
    onS3,
    host: values.host ?? '127.0.0.1',
    port: portOf(values.port),
    endpoint: values['s3-endpoint'],
    region: values['s3-region'],
    virtualHosted: values['s3-virtual-hosted'] ?? false,
    vendCredentials: values['vend-credentials'] ?? false,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        host: { type: 'string' },
        port: { type: 'string' },
        's3-endpoint': { type: 'string' },
        's3-region': { type: 'string' },
        's3-virtual-hosted': { type: 'boolean' },
        'vend-credentials': { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new UsageError(`--port must be a number from 0 to 65535, not ${JSON.stringify(text)}`)
  }
  return port
}

function storeOptions({ endpoint, region, virtualHosted }: ServeArguments): S3Options {
  return {
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: !virtualHosted }),
    ...(region === undefined ? {} : { region }),
  }
}

/** What the engines are told: what was said here, and nothing that was not. */
function clientS3Settings(options: ServeArguments): S3ClientSettings | undefined {
  const { endpoint, virtualHosted } = options
  // The store takes this region too where there is an endpoint and no region.
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1')
  if (endpoint === undefined && region === undefined) return undefined
  return {
    ...(endpoint === undefined ? {} : { endpoint, pathStyleAccess: !virtualHosted }),
    ...(region === undefined ? {} : { region }),
  }
}

/** @throws UsageError if they are not there. */
function credentialsOf(env: CommandContext['env']): VendedCredentials {
  const accessKeyId = env['AWS_ACCESS_KEY_ID']
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY']
  const sessionToken = env['AWS_SESSION_TOKEN']
  if (!accessKeyId || !secretAccessKey) {
    throw new UsageError(
      '--vend-credentials needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment',
    )
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
