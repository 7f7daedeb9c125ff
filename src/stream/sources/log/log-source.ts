/** Topics of an embedded log as a source of streams. */
import { resolve } from 'node:path'
import { checkOptions } from '../../../core/check-options.ts'
import { abortedError, FloeError, isFloeError, throwIfAborted } from '../../../core/errors.ts'
import { Position } from '../../position.ts'
import { memoryOf, type RecordChunk } from '../../record-chunk.ts'
import type { SourceOpenOptions, SourceReader, StreamSource } from '../../source.ts'
import { checkTopicIds, type TopicIds } from '../../topic-ids.ts'
import type { EmbeddedLog } from './embedded-log.ts'
import { translate } from './log-errors.ts'
import { foreignLog, type LogView } from './log-view.ts'
import { PartitionReader } from './partition-reader.ts'
import { readTopic, type Topic } from './topic-folder.ts'

export interface LogSourceOptions {
  /** A log that is open in this process: its producer wakes readers at once. Either this or `folder`. */
  readonly log?: EmbeddedLog
  /** The folder of a log that another process produces to; looked at each 1 to 50 ms while nothing comes. */
  readonly folder?: string
  readonly topics: string | readonly string[]
}

const BLOCK_BYTES = 1024 * 1024
const SHORTEST_WAIT_MS = 1
const LONGEST_WAIT_MS = 50
/** How often a reader looks at least whether its topics are still there. */
const CHECK_MS = 1000

/** @throws BAD_ARGUMENT */
export function logSource(options: LogSourceOptions): StreamSource {
  checkOptions('logSource', options, { log: true, folder: true, topics: true })
  const { log, folder } = options
  const topics = typeof options.topics === 'string' ? [options.topics] : [...(options.topics ?? [])]
  if ((log === undefined) === (folder === undefined)) {
    throw badArgument('give either log or folder')
  }
  if (topics.length === 0 || new Set(topics).size !== topics.length) {
    throw badArgument('topics are to be one or more, each once')
  }
  const view: LogView = log ?? foreignLog(resolve(folder as string))
  const name = `log ${topics.join(', ')}`
  return { name, open: (how) => openReader(view, name, topics, how) }
}

async function openReader(
  view: LogView,
  name: string,
  names: readonly string[],
  options: SourceOpenOptions,
): Promise<SourceReader> {
  const { position, signal } = options
  throwIfAborted(signal, `Opening ${name}`)
  const topics: Topic[] = []
  for (const topic of names) topics.push(await readTopic(view.folder, topic))
  const topicIds = new Map(topics.map((topic) => [topic.name, topic.uuid]))
  checkTopicIds(name, options.topicIds, topicIds)
  const partitions: PartitionReader[] = []
  try {
    for (const topic of topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        throwIfAborted(signal, `Opening ${name}`)
        const offset = position.get(topic.name, partition)
        partitions.push(await PartitionReader.open(view, topic, partition, offset))
      }
    }
    // What was opened by its path may be of a topic that was made in between.
    await checkTopics(partitions)
  } catch (error) {
    for (const partition of partitions) await partition.close()
    throw translate(view.folder, error, 'SOURCE_UNAVAILABLE')
  }
  return new LogReader(view, name, { topicIds, partitions }, options)
}

/** @throws NO_SUCH_TOPIC, OFFSET_OUT_OF_RANGE */
async function checkTopics(partitions: readonly PartitionReader[]): Promise<void> {
  let before: string | undefined
  for (const partition of partitions) {
    if (partition.topic !== before) await partition.checkTopic()
    before = partition.topic
  }
}

class LogReader implements SourceReader {
  readonly topicIds: TopicIds
  readonly #view: LogView
  readonly #name: string
  readonly #partitions: readonly PartitionReader[]
  readonly #options: SourceOpenOptions
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  /** The partition that is read first. */
  #turn = 0
  /** When the topics were looked at last: others may go on giving while one is gone. */
  #checkedMs = Number.NEGATIVE_INFINITY
  /** What is wrong and does not pass; given once the records before it are. */
  #failure: FloeError | undefined
  /** Ends waits. */
  readonly #closed = new AbortController()
  #reading: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(
    view: LogView,
    name: string,
    topics: { readonly topicIds: TopicIds; readonly partitions: readonly PartitionReader[] },
    options: SourceOpenOptions,
  ) {
    this.topicIds = topics.topicIds
    this.#view = view
    this.#name = name
    this.#partitions = topics.partitions
    this.#options = options
  }

  read(options: {
    readonly waitMs: number
    readonly signal: AbortSignal
  }): Promise<readonly RecordChunk[]> {
    const reading = this.#read(options)
    this.#reading = reading.catch(() => undefined)
    return reading
  }

  async #read({
    waitMs,
    signal,
  }: {
    readonly waitMs: number
    readonly signal: AbortSignal
  }): Promise<readonly RecordChunk[]> {
    const { runtime } = this.#options
    const until = runtime.monotonicMs() + waitMs
    let pauseMs = SHORTEST_WAIT_MS
    for (;;) {
      this.#ensureOpen()
      for (const each of [signal, this.#options.signal]) {
        if (each.aborted) throw abortedError(each, `Reading ${this.#name}`)
      }
      if (this.#failure !== undefined) throw this.#failure
      const { version } = this.#view
      const chunks = await this.#pass()
      if (chunks.length > 0) return chunks
      if (this.#failure !== undefined) throw this.#failure
      const leftMs = until - runtime.monotonicMs()
      if (leftMs <= 0) return []
      const longest = this.#view.hasProducer ? CHECK_MS : pauseMs
      await this.#wait(Math.min(longest, leftMs), version, signal)
      pauseMs = Math.min(LONGEST_WAIT_MS, pauseMs * 2)
    }
  }

  nextOffsets(): Position {
    return Position.of(this.#partitions)
  }

  partitions(): readonly PartitionReader[] {
    return this.#partitions
  }

  async endOffsets(): Promise<Position> {
    this.#ensureOpen()
    const ends = []
    try {
      for (const each of this.#partitions) {
        const { topic, partition } = each
        ends.push({ topic, partition, offset: await each.end() })
      }
    } catch (error) {
      throw translate(this.#view.folder, error, 'SOURCE_UNAVAILABLE')
    }
    return Position.of(ends)
  }

  /** A log keeps no positions of its readers. */
  async committed(): Promise<void> {}

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#closed.abort()
    await this.#reading
    for (const partition of this.#partitions) await partition.close().catch(() => undefined)
  }

  /** What all partitions have now, as far as the buffer holds it. */
  async #pass(): Promise<RecordChunk[]> {
    const { bufferBytes, maxRecordBytes } = this.#options
    const chunks: RecordChunk[] = []
    const count = this.#partitions.length
    const start = this.#turn
    let budget = bufferBytes
    try {
      for (let i = 0; i < count && budget > 0; i++) {
        const partition = this.#partitions[(start + i) % count] as PartitionReader
        const first = chunks.length === 0
        const chunk = await partition.take({ block: this.#block, maxRecordBytes, budget, first })
        if (chunk === 'full') break
        this.#turn = (start + i + 1) % count
        if (chunk === undefined) continue
        budget -= memoryOf(chunk)
        chunks.push(chunk)
      }
      const now = this.#options.runtime.monotonicMs()
      if (chunks.length === 0 || now - this.#checkedMs >= CHECK_MS) {
        this.#checkedMs = now
        await checkTopics(this.#partitions)
      }
    } catch (error) {
      const failure = translate(this.#view.folder, error, 'SOURCE_UNAVAILABLE')
      if (!failure.retryable) this.#failure = failure
      else if (chunks.length === 0) throw failure
    }
    return chunks
  }

  /** Until something changes in this process, the time is over, or one of the signals aborts. */
  async #wait(ms: number, version: number, signal: AbortSignal): Promise<void> {
    if (this.#view.version !== version) return
    const controller = new AbortController()
    const wake = (): void => controller.abort()
    const forget = this.#view.onChange(wake)
    const signals = [signal, this.#options.signal, this.#closed.signal]
    for (const each of signals) {
      each.addEventListener('abort', wake, { once: true })
      if (each.aborted) wake()
    }
    try {
      await this.#options.runtime.sleep(ms, controller.signal)
    } catch (error) {
      if (!isFloeError(error, 'ABORTED')) throw error
    } finally {
      forget()
      for (const each of signals) each.removeEventListener('abort', wake)
    }
  }

  #ensureOpen(): void {
    if (!this.#closed.signal.aborted) return
    throw new FloeError('HANDLE_CLOSED', `This reader of ${this.#name} is closed`)
  }
}

function badArgument(why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `Cannot make a source of a log: ${why}`)
}
