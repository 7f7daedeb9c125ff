/** The flags of the pipeline, with their explanations and checks. */
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { GENERATOR_DEFAULTS, type GeneratorOptions } from './generator.ts'

export interface Settings {
  /** Where the lake itself is: a folder, or an s3:// location; undefined for a new folder, which goes with the run. */
  readonly lake: string | undefined
  readonly s3: { readonly endpoint?: string; readonly region?: string }
  /** Brokers; undefined for the embedded log. */
  readonly kafka: readonly string[] | undefined
  /** Folder of the embedded log; undefined for a new one, which goes with the run. A lake that is kept never has such a log. */
  readonly log: string | undefined
  readonly topic: string
  readonly group: string
  readonly partitions: number
  /** Events a second: 0 for none, Infinity for as many as go. */
  readonly rate: number
  readonly forMs: number
  readonly triggerMs: number
  /** Undefined for no catalog; 0 for any free port. */
  readonly catalogPort: number | undefined
  readonly generator: Partial<GeneratorOptions>
}

/** The mistake in what was typed. */
export class UsageError extends Error {}

const OPTIONS = {
  lake: { type: 'string' },
  s3: { type: 'string' },
  's3-endpoint': { type: 'string' },
  's3-region': { type: 'string' },
  kafka: { type: 'string' },
  log: { type: 'string' },
  topic: { type: 'string', default: 'content_events' },
  group: { type: 'string', default: 'floe-virality' },
  partitions: { type: 'string', default: '4' },
  rate: { type: 'string', default: '20000' },
  for: { type: 'string', default: '20s' },
  trigger: { type: 'string', default: '1s' },
  'catalog-port': { type: 'string', default: '0' },
  seed: { type: 'string', default: String(GENERATOR_DEFAULTS.seed) },
  videos: { type: 'string', default: String(GENERATOR_DEFAULTS.videos) },
  users: { type: 'string', default: String(GENERATOR_DEFAULTS.users) },
  late: { type: 'string', default: String(GENERATOR_DEFAULTS.lateShare) },
  duplicates: { type: 'string', default: String(GENERATOR_DEFAULTS.duplicateShare) },
  malformed: { type: 'string', default: String(GENERATOR_DEFAULTS.malformedShare) },
  help: { type: 'boolean', default: false, short: 'h' },
} as const

const d = (name: keyof typeof OPTIONS): string => {
  const option = OPTIONS[name]
  return 'default' in option ? String(option.default) : ''
}

export const HELP: string = `npm start -- [flags]

Events of a video site go through a topic into two Iceberg tables, exactly once: bronze.raw_events has every record as it
came, gold.virality_state has one row a video with its counts and how viral it is. All runs in this process, unless real
services are named. At the end everything is checked, and the exit code says whether it held.

How long and how much
  --for TIME          how long to run: 500ms, 20s, 10m, 2h or forever (default ${d('for')}). Ctrl-C ends it before:
                      the batch under way is finished, then all is checked
  --rate N            events a second to generate; max for as many as go (default ${d('rate')});
                      0 for none, where others send them: the log then has no producer in this run
  --trigger TIME      how often a batch is committed: 100ms to 24h (default ${d('trigger')})

Where
  --lake DIR          keeps the lake in DIR/lake, which is what floe serve takes, and the log in DIR/log; what is there
                      is gone on with. Without it each run has a lake of its own, in a new folder for temporary files,
                      which is removed at the end if all is well
  --s3 LOCATION       the lake in S3: s3://bucket/prefix; needs --kafka or --log, which it goes on from. Keys come from
                      the environment (AWS_ACCESS_KEY_ID …)
  --s3-endpoint URL   a server other than Amazon's, such as http://127.0.0.1:9000
  --s3-region NAME    region of the bucket
  --kafka HOST:PORT   a Kafka broker, or several with commas; without it the topic is a log in a folder
  --log DIR           folder of that log; what is there is read, too (default: DIR/log of --lake, or one of the run)
  --topic NAME        the topic, made if it is missing (default ${d('topic')})
  --group NAME        consumer group whose offsets follow the tables, for tools that show its lag (default ${d('group')})
  --partitions N      of the topic, when it is made (default ${d('partitions')})
  --catalog-port N    port of the Iceberg REST catalog that is served meanwhile on 127.0.0.1, 0 for any that is free,
                      off for none (default ${d('catalog-port')})

What the events are like
  --seed N            decides them (default ${d('seed')})
  --videos N          (default ${d('videos')})
  --users N           (default ${d('users')})
  --late SHARE        of events that come minutes to days late, 0 to 1 (default ${d('late')})
  --duplicates SHARE  of events that are sent once more (default ${d('duplicates')})
  --malformed SHARE   of broken events: cut, of wrong types, without fields, key or value (default ${d('malformed')})

  --help              this text`

/** @returns undefined where help was asked for. @throws UsageError */
export function readFlags(args: readonly string[]): Settings | undefined {
  let flags: ReturnType<typeof parse>
  try {
    flags = parse(args)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  if (flags.help) return undefined
  if (flags.lake !== undefined && flags.s3 !== undefined) {
    throw new UsageError('--lake and --s3 name two places for one lake: give one of them')
  }
  for (const flag of ['s3-endpoint', 's3-region'] as const) {
    if (flags[flag] !== undefined && flags.s3 === undefined) {
      throw new UsageError(`--${flag} is for a lake in S3: add --s3 s3://bucket/prefix`)
    }
  }
  if (flags.kafka !== undefined && flags.log !== undefined) {
    throw new UsageError('--kafka and --log name two places for one topic: give one of them')
  }
  if (flags.s3 !== undefined && !/^s3:\/\/[^/]+/.test(flags.s3)) {
    throw new UsageError(`--s3 ${flags.s3} is no location: write s3://bucket/prefix`)
  }
  // Its tables keep the position in the topic: with a log that goes with the run they could never be gone on with.
  if (flags.s3 !== undefined && flags.kafka === undefined && flags.log === undefined) {
    throw new UsageError(
      '--s3 keeps the lake, and needs a topic that is kept: add --kafka HOST:PORT or --log DIR',
    )
  }
  const duplicateShare = share('duplicates', flags.duplicates)
  const malformedShare = share('malformed', flags.malformed)
  if (duplicateShare + malformedShare > 1) {
    throw new UsageError(
      `--duplicates ${flags.duplicates} and --malformed ${flags.malformed} are more than all events together`,
    )
  }
  const inFolder = (name: string): string | undefined =>
    flags.lake === undefined ? undefined : folderOf('lake', flags.lake, name)
  return {
    lake: flags.s3 ?? inFolder('lake'),
    s3: {
      ...(flags['s3-endpoint'] === undefined ? {} : { endpoint: urlOf(flags['s3-endpoint']) }),
      ...(flags['s3-region'] === undefined
        ? {}
        : { region: nonEmpty('s3-region', flags['s3-region']) }),
    },
    kafka: flags.kafka?.split(',').map((broker) => brokerOf(broker.trim())),
    log: flags.log === undefined ? inFolder('log') : folderOf('log', flags.log),
    topic: topicOf(flags.topic, flags.kafka !== undefined),
    group: nonEmpty('group', flags.group),
    partitions: partitionsOf(flags.partitions, flags.kafka !== undefined),
    rate:
      flags.rate === 'max' ? Number.POSITIVE_INFINITY : whole('rate', flags.rate, 0, 10_000_000),
    forMs:
      flags.for === 'forever'
        ? Number.POSITIVE_INFINITY
        : time('for', flags.for, 1, 24 * DAY_MS, '24 days'),
    triggerMs: time('trigger', flags.trigger, 100, DAY_MS, '24 hours'),
    catalogPort:
      flags['catalog-port'] === 'off'
        ? undefined
        : whole('catalog-port', flags['catalog-port'], 0, 65_535),
    generator: {
      seed: whole('seed', flags.seed, 0, Number.MAX_SAFE_INTEGER),
      videos: whole('videos', flags.videos, 1, 1_000_000),
      users: whole('users', flags.users, 1, 10_000_000),
      lateShare: share('late', flags.late),
      duplicateShare,
      malformedShare,
    },
  }
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS }).values
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`--${flag} ${text} is no whole number from ${least} to ${most}`)
}

/** A partition of a log is an open file. */
const MOST_OF_A_LOG = 256

function partitionsOf(text: string, isKafka: boolean): number {
  return whole('partitions', text, 1, isKafka ? 10_000 : MOST_OF_A_LOG)
}

function nonEmpty(flag: string, text: string): string {
  if (text !== '') return text
  throw new UsageError(`--${flag} is empty`)
}

function urlOf(text: string): string {
  if (URL.canParse(text) && /^https?:\/\//i.test(text)) return text
  throw new UsageError(`--s3-endpoint ${text} is no URL: write http://HOST:PORT`)
}

function share(flag: string, text: string): number {
  const value = /^[\d.]+$/.test(text) ? Number(text) : Number.NaN
  if (value >= 0 && value <= 1) return value
  throw new UsageError(`--${flag} ${text} is no share from 0 to 1`)
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const DAY_MS = 86_400_000

function time(flag: string, text: string, leastMs: number, mostMs: number, most: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  const ms = Math.round(Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN))
  if (ms >= leastMs && ms <= mostMs) return ms
  throw new UsageError(
    `--${flag} ${text} is no time of ${leastMs} ms to ${most}: write 500ms, 20s, 10m or 2h`,
  )
}

/** As the log and Kafka have names: a dot in front is for Kafka alone, and two names are folders. */
function topicOf(text: string, isKafka: boolean): string {
  const isName = /^[a-zA-Z0-9._-]{1,249}$/.test(text) && !/^\.{1,2}$/.test(text)
  if (isName && (isKafka || !text.startsWith('.'))) return text
  const rest = isKafka ? '' : ', with no dot first'
  throw new UsageError(
    `--topic ${text} cannot name a topic: use up to 249 of a-z, A-Z, 0-9, ".", "_" and "-"${rest}`,
  )
}

function brokerOf(text: string): string {
  const port = Number(/^[^\s:]+:(\d{1,5})$/.exec(text)?.[1] ?? Number.NaN)
  if (port >= 1 && port <= 65_535) return text
  const why = Number.isNaN(port) ? '' : ', with a port from 1 to 65535'
  throw new UsageError(`--kafka ${text} is no broker: write HOST:PORT${why}`)
}

/** The absolute path of a folder that is there or can be made, or of one by that name in it. */
function folderOf(flag: string, text: string, name = ''): string {
  if (text === '') throw new UsageError(`--${flag} names no folder: write --${flag} DIR`)
  const folder = resolve(text, name)
  for (let path = folder; ; path = dirname(path)) {
    try {
      if (statSync(path).isDirectory()) return folder
    } catch {
      // Nothing there, or below a file. A root that cannot be read is for others to name.
      if (path === dirname(path)) return folder
      continue
    }
    throw new UsageError(`--${flag} ${text} wants a folder, and ${path} is a file`)
  }
}
