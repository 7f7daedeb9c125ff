/**
 * A log in a folder of the local disk: topics of partitions for tests and for single machines. One process produces,
 * any number read at the same time.
 */
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkChoice, checkOptions } from '../../../core/check-options.ts'
import { FloeError, isFloeError } from '../../../core/errors.ts'
import { type Runtime, systemRuntime } from '../../../core/runtime.ts'
import { refuseFile } from '../../../io/file-system.ts'
import type { Durability } from '../../../io/store.ts'
import { translate } from './log-errors.ts'
import { type LockOptions, LogLock } from './log-lock.ts'
import { LogProducer, type ProducerOptions } from './log-producer.ts'
import type { LogView } from './log-view.ts'
import { fencePartition } from './partition-fence.ts'
import { removeOldSegments } from './segments.ts'
import {
  createTopicFolder,
  deleteTopicFolder,
  partitionFolder,
  readTopic,
  type Topic,
  type TopicOptions,
  topicNames,
} from './topic-folder.ts'

export interface LogOptions {
  /** What a send, and a topic that was made, survive: a crash of the machine ('fsync', if absent) or of the process. */
  readonly durability?: Durability
  readonly runtime?: Runtime
}

/**
 * Opens a log; its folder is made if there is none.
 * @throws BAD_ARGUMENT; BAD_LOCATION where a file is in its place; STORE_UNAVAILABLE, PERMISSION_DENIED, STORE_FULL
 */
export async function openLog(folder: string, options: LogOptions = {}): Promise<EmbeddedLog> {
  checkOptions('openLog', options, { durability: true, runtime: true })
  checkChoice('durability', options.durability, ['fsync', 'os'])
  const path = resolve(folder)
  await refuseFile(path)
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw translate(path, error, 'STORE_UNAVAILABLE')
  }
  return new EmbeddedLog(path, options)
}

export class EmbeddedLog implements LogView {
  readonly folder: string
  readonly #runtime: Runtime
  readonly #sync: boolean
  readonly #lockOptions: LockOptions
  readonly #listeners = new Set<() => void>()
  #producer: LogProducer | undefined
  #version = 0
  #closed = false

  /** @internal See {@link openLog}. */
  constructor(
    folder: string,
    { durability = 'fsync', runtime = systemRuntime }: LogOptions,
    lockOptions: LockOptions = {},
  ) {
    this.folder = folder
    this.#runtime = runtime
    this.#sync = durability === 'fsync'
    this.#lockOptions = lockOptions
  }

  /** @throws BAD_NAME, BAD_ARGUMENT for options and for a topic that exists; STORE_UNAVAILABLE, STORE_FULL */
  async createTopic(name: string, options: TopicOptions): Promise<Topic> {
    this.#ensureOpen()
    return createTopicFolder(this.folder, name, options, this.#runtime, this.#sync)
  }

  /** Removes a topic with all its records. @throws NO_SUCH_TOPIC, FORMAT_VERSION; LOG_LOCKED if another process has a producer */
  async deleteTopic(name: string): Promise<void> {
    this.#ensureOpen()
    await readTopic(this.folder, name)
    const remove = async (lock: LogLock): Promise<void> => {
      const own = { files: lock.files, runtime: this.#runtime }
      try {
        await deleteTopicFolder(this.folder, name, own, this.#sync)
      } catch (error) {
        // What is missing may be what the lock has lost.
        await lock.confirm()
        throw error
      }
    }
    if (this.#producer !== undefined) await this.#producer.removeTopic(name, remove)
    else {
      const lock = await LogLock.take(this.folder, this.#runtime, this.#lockOptions)
      try {
        await remove(lock)
      } finally {
        await lock.release()
      }
    }
    this.#changed()
  }

  /** All topics, by name. @throws CORRUPT_RECORDS, FORMAT_VERSION, SOURCE_UNAVAILABLE */
  async topics(): Promise<Topic[]> {
    const topics: Topic[] = []
    for (const name of await topicNames(this.folder)) {
      try {
        topics.push(await readTopic(this.folder, name))
      } catch (error) {
        // Deleted since the folder was listed.
        if (!isFloeError(error, 'NO_SUCH_TOPIC')) throw error
      }
    }
    return topics
  }

  /**
   * Opens the one producer of the log. Where the last one was in another container or on another machine and was not
   * closed, that takes 15 seconds, or less if it turns out to live.
   * @throws LOG_LOCKED naming the process that has one; BAD_ARGUMENT, STORE_UNAVAILABLE
   */
  async producer(options: ProducerOptions = {}): Promise<LogProducer> {
    this.#ensureOpen()
    LogProducer.check(options)
    const lock = await LogLock.take(this.folder, this.#runtime, this.#lockOptions)
    try {
      // Taking it may have taken long.
      this.#ensureOpen()
      if (lock.mustFence) await this.#fence(lock)
    } catch (error) {
      await lock.release()
      throw error
    }
    const producer = new LogProducer({
      ...options,
      log: this.folder,
      runtime: this.#runtime,
      sync: this.#sync,
      lock,
      onChange: () => this.#changed(),
      onClose: () => {
        this.#producer = undefined
        this.#changed()
      },
    })
    this.#producer = producer
    return producer
  }

  /**
   * Removes oldest segments as the topics' `retentionBytes` and `retentionMs` want it; the producer does so itself each
   * time that it begins a segment, and counts where it could not (`counts.retentionFailures`). The segment that is
   * appended to stays. Any process may call it at any time. Gives the number of segments that it removed.
   * @throws STORE_UNAVAILABLE
   */
  async enforceRetention(): Promise<number> {
    this.#ensureOpen()
    let removed = 0
    for (const topic of await this.topics()) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const folder = partitionFolder(this.folder, topic.name, partition)
        try {
          removed += await removeOldSegments(folder, topic, this.#runtime.now())
        } catch (error) {
          throw translate(folder, error, 'STORE_UNAVAILABLE')
        }
      }
    }
    return removed
  }

  /** Closes the producer, if one is open. Readers go on. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#producer?.close()
  }

  /** Of all topics at once: an owner to come may find a lock that does not ask for it any more. */
  async #fence(lock: LogLock): Promise<void> {
    for (const name of await topicNames(this.folder)) {
      let topic: Topic
      try {
        topic = await readTopic(this.folder, name)
      } catch (error) {
        // Deleted meanwhile, or nobody appends to it as it is: the others are to be used.
        if (isLasting(error)) continue
        throw error
      }
      for (let partition = 0; partition < topic.partitions; partition++) {
        try {
          await fencePartition({
            log: this.folder,
            topic,
            partition,
            runtime: this.#runtime,
            sync: this.#sync,
            files: lock.files,
            confirm: () => lock.confirm(),
            onRetentionFailure: () => undefined,
          })
        } catch (error) {
          if (isLasting(error)) continue
          throw translate(`${this.folder}/${topic.name}`, error, 'STORE_UNAVAILABLE')
        }
      }
    }
    await lock.fenced()
  }

  get version(): number {
    return this.#version
  }

  get hasProducer(): boolean {
    return this.#producer !== undefined
  }

  limit(topic: string, uuid: string, partition: number): number | undefined {
    return this.#producer?.limit(topic, uuid, partition)
  }

  lastSegment(topic: string, uuid: string, partition: number): number | undefined {
    return this.#producer?.lastSegment(topic, uuid, partition)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #changed(): void {
    this.#version++
    for (const listener of this.#listeners) listener()
  }

  #ensureOpen(): void {
    if (this.#closed) throw new FloeError('HANDLE_CLOSED', `The log ${this.folder} is closed`)
  }
}

/** What is damaged, of a newer version or gone cannot be appended to before it is restored, as other files. */
function isLasting(error: unknown): boolean {
  return (['CORRUPT_RECORDS', 'FORMAT_VERSION', 'NO_SUCH_TOPIC'] as const).some((code) =>
    isFloeError(error, code),
  )
}
