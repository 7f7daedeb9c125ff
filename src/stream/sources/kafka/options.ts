/** What `kafkaSource` is given. */
import type { KafkaConfig } from 'kafkajs'
import { checkOptions, type OptionNames } from '../../../core/check-options.ts'
import { FloeError } from '../../../core/errors.ts'
import type { KafkaCodec, KafkaCodecName } from './codecs.ts'

export interface KafkaSourceOptions {
  /** Addresses, `host:port`, of some brokers of the cluster. */
  readonly brokers: readonly string[]
  readonly topics: string | readonly string[]
  /**
   * The consumer group: has its offsets set after each commit, for tools that watch lag. Nothing is ever read from these offsets: the tables say where to
   * go on.
   */
  readonly groupId: string
  /**
   * Which partitions to read: those with `partition % of === ordinal` of each topic. It joins no group, so that there are no
   * rebalances: give the readers the ordinals 0 to `of` - 1. The group's offsets are set all the same, which Kafka
   * allows as long as the group has no members. Default: all, `{ ordinal: 0, of: 1 }`.
   *
   * With 'group' the members of the group share the partitions out, and take over those of one that leaves or dies. In
   * each rebalance all of them go back to where the tables are, and a batch that meets another member's is dropped and
   * read again. Fixed ordinals have none of that, so that they are the better choice for a fixed number of processes.
   */
  readonly assignment?: { readonly ordinal: number; readonly of: number } | 'group' | undefined
  /** Names this program to the brokers. Default `floe`. */
  readonly clientId?: string | undefined
  /** As kafkajs has it. Never appears in errors. */
  readonly ssl?: KafkaConfig['ssl'] | undefined
  /** As kafkajs has it. Never appears in errors. */
  readonly sasl?: KafkaConfig['sasl'] | undefined
  /** All else that kafkajs takes: time limits, retries, a socket factory. It logs nothing, unless `logCreator` is given. */
  readonly client?: Omit<Partial<KafkaConfig>, 'brokers' | 'ssl' | 'sasl' | 'clientId'> | undefined
  /**
   * Codecs for batches, in the form of kafkajs's CompressionCodecs. Gzip and Zstandard are built in, snappy and lz4 are
   * not; what is given goes first.
   */
  readonly codecs?: Partial<Record<KafkaCodecName, KafkaCodec>> | undefined
  /**
   * Most bytes that one batch of records may have when decompressed. Default 256 MiB. Batches are decompressed as a
   * whole, small ones together up to 1 MiB, also if they are larger than the stream's `bufferBytes`.
   */
  readonly maxBatchBytes?: number | undefined
  /** How long a partition may have no leader that answers until the stream stops, in milliseconds. Default 60,000. */
  readonly unavailableAfterMs?: number | undefined
  /** How often new partitions and moved leaders are looked for, in milliseconds. Default 30,000. */
  readonly metadataMaxAgeMs?: number | undefined
  /** When the group takes a member for lost that gives no sign of life, in milliseconds. Default 30,000. */
  readonly sessionTimeoutMs?: number | undefined
  /** How long members of the group have to join it again in a rebalance, in milliseconds. Default 60,000. */
  readonly rebalanceTimeoutMs?: number | undefined
  /**
   * Told what does no harm to the tables but should be known: the group's offsets are ahead of them, or cannot be set.
   * By default nobody is.
   */
  readonly onWarning?: ((message: string) => void) | undefined
}

export interface ResolvedOptions {
  /** Of the source. */
  readonly name: string
  readonly topics: readonly string[]
  readonly groupId: string
  /** Undefined: the group shares them out. */
  readonly assignment: { readonly ordinal: number; readonly of: number } | undefined
  readonly client: KafkaConfig
  readonly codecs: Partial<Record<KafkaCodecName, KafkaCodec>>
  readonly maxBatchBytes: number
  readonly unavailableAfterMs: number
  readonly metadataMaxAgeMs: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly warn: (message: string) => void
}

const MIB = 1024 * 1024

const NAMES: OptionNames<KafkaSourceOptions> = {
  brokers: true,
  topics: true,
  groupId: true,
  assignment: true,
  clientId: true,
  ssl: true,
  sasl: true,
  client: true,
  codecs: true,
  maxBatchBytes: true,
  unavailableAfterMs: true,
  metadataMaxAgeMs: true,
  sessionTimeoutMs: true,
  rebalanceTimeoutMs: true,
  onWarning: true,
}

/** @throws BAD_ARGUMENT */
export function resolveOptions(options: KafkaSourceOptions): ResolvedOptions {
  checkOptions('kafkaSource', options, NAMES)
  const { assignment: wanted = { ordinal: 0, of: 1 } } = options
  const assignment = wanted === 'group' ? undefined : wanted
  const topics = [
    ...new Set(typeof options.topics === 'string' ? [options.topics] : (options.topics ?? [])),
  ]
  if (topics.length === 0) throw bad('`topics` names none')
  if (topics.some((topic) => !/^[a-zA-Z0-9._-]{1,249}$/.test(topic))) {
    throw bad(`${JSON.stringify(topics)} has names that Kafka has no topics of`)
  }
  if (!Array.isArray(options.brokers) || !options.brokers.every((b) => typeof b === 'string')) {
    throw bad('`brokers` has to be a list of addresses')
  }
  if (options.brokers.length === 0) throw bad('`brokers` names none')
  const brokers = options.brokers.map((broker) => broker.trim())
  const address = brokers.find((broker) => !isAddress(broker))
  if (address !== undefined) {
    throw bad(`${JSON.stringify(address)} in \`brokers\` is no address: give HOST:PORT`)
  }
  if (typeof options.groupId !== 'string' || options.groupId === '') {
    throw bad('`groupId` names no group')
  }
  if (
    assignment !== undefined &&
    !(
      Number.isInteger(assignment.of) &&
      Number.isInteger(assignment.ordinal) &&
      assignment.ordinal >= 0 &&
      assignment.ordinal < assignment.of
    )
  ) {
    throw bad(
      `\`assignment\` has ordinal ${assignment.ordinal} of ${assignment.of}; ordinals are 0 to \`of\` - 1`,
    )
  }
  const { ssl, sasl } = options
  return {
    name: `kafka ${topics.join(', ')}`,
    topics,
    groupId: options.groupId,
    assignment,
    client: {
      logCreator: () => () => {},
      connectionTimeout: 5000,
      ...options.client,
      clientId: options.clientId ?? 'floe',
      brokers,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl }),
    },
    codecs: options.codecs ?? {},
    maxBatchBytes: positive('maxBatchBytes', options.maxBatchBytes ?? 256 * MIB, 1024 * MIB),
    unavailableAfterMs: positive('unavailableAfterMs', options.unavailableAfterMs ?? 60_000),
    metadataMaxAgeMs: positive('metadataMaxAgeMs', options.metadataMaxAgeMs ?? 30_000),
    sessionTimeoutMs: positive('sessionTimeoutMs', options.sessionTimeoutMs ?? 30_000),
    rebalanceTimeoutMs: positive('rebalanceTimeoutMs', options.rebalanceTimeoutMs ?? 60_000),
    warn: options.onWarning ?? (() => {}),
  }
}

function positive(name: string, value: number, most = 2 ** 31 - 1): number {
  if (Number.isInteger(value) && value > 0 && value <= most) return value
  throw bad(`\`${name}\` is ${value}; give a whole number from 1 to ${most}`)
}

function bad(why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `Cannot use the options of kafkaSource: ${why}`)
}

/** What kafkajs can connect to. A scheme before it, as in `advertised.listeners`, is not for clients. */
function isAddress(broker: string): boolean {
  const port = Number(/^[^\s:/]+:(\d{1,5})$/.exec(broker)?.[1] ?? 0)
  return port >= 1 && port <= 65_535
}
