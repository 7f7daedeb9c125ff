/** The producer of a log: sends that arrive while a sync is under way share the next one. */
import { Mutex } from '../../../core/concurrency.ts'
import { FloeError, isFloeError } from '../../../core/errors.ts'
import type { Runtime } from '../../../core/runtime.ts'
import { frameBytesAtMost, type LogRecord } from './frame.ts'
import { noSuchTopic, translate } from './log-errors.ts'
import type { LogLock } from './log-lock.ts'
import { partitionOfKey } from './partition-of-key.ts'
import { PartitionWriter } from './partition-writer.ts'
import { readTopic, type Topic } from './topic-folder.ts'

export interface ProducerOptions {
  /** Largest key or value that {@link LogProducer.send} takes, in bytes of UTF-8; 16 MiB if absent, 256 MiB at most. */
  readonly maxRecordBytes?: number
}

export interface SentRecord {
  readonly partition: number
  readonly offset: number
}

/** What a producer has done since it was opened. */
export interface ProducerCounts {
  readonly sends: number
  readonly records: number
  /** Groups of sends that were written, and synced, together. */
  readonly groups: number
  /** Calls of fdatasync for appended records. */
  readonly syncs: number
  /** Segments that were begun while old ones could not be removed. `enforceRetention()` tells what is wrong. */
  readonly retentionFailures: number
}

interface LoadedTopic {
  readonly topic: Topic
  readonly writers: readonly PartitionWriter[]
  deleted: boolean
  /** The partition of the next record without a key. */
  turn: number
}

interface Send {
  readonly target: LoadedTopic
  readonly records: readonly LogRecord[]
  readonly bytes: number
  readonly resolve: (sent: SentRecord[]) => void
  readonly reject: (error: unknown) => void
}

const DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024
const MOST_RECORD_BYTES = 256 * 1024 * 1024
/** Sends beyond it wait for the next group, so that a group's frames take bounded memory. */
const GROUP_BYTES = 16 * 1024 * 1024

export class LogProducer {
  readonly #log: string
  readonly #runtime: Runtime
  readonly #sync: boolean
  readonly #maxRecordBytes: number
  readonly #lock: LogLock
  readonly #onChange: () => void
  readonly #onClose: () => void
  readonly #topics = new Map<string, Promise<LoadedTopic>>()
  readonly #loaded = new Map<string, LoadedTopic>()
  /** Groups, and what must not meet one. */
  readonly #mutex = new Mutex()
  #queue: Send[] = []
  #draining = false
  #failure: FloeError | undefined
  #closing: Promise<void> | undefined
  #sending = 0
  #idle: (() => void) | undefined
  readonly #counts = { sends: 0, records: 0, groups: 0, syncs: 0, retentionFailures: 0 }

  constructor(
    options: ProducerOptions & {
      readonly log: string
      readonly runtime: Runtime
      readonly sync: boolean
      readonly lock: LogLock
      /** Called when there is more to read, or a topic is gone. */
      readonly onChange: () => void
      readonly onClose: () => void
    },
  ) {
    this.#log = options.log
    this.#runtime = options.runtime
    this.#sync = options.sync
    this.#lock = options.lock
    this.#onChange = options.onChange
    this.#onClose = options.onClose
    this.#maxRecordBytes = options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES
  }

  /** @throws BAD_ARGUMENT */
  static check({ maxRecordBytes = 1 }: ProducerOptions): void {
    if (Number.isSafeInteger(maxRecordBytes) && maxRecordBytes >= 1) {
      if (maxRecordBytes <= MOST_RECORD_BYTES) return
    }
    throw new FloeError(
      'BAD_ARGUMENT',
      `Cannot open a producer: maxRecordBytes is ${maxRecordBytes}. Give a whole number from 1 to ${MOST_RECORD_BYTES}`,
      { context: { option: 'maxRecordBytes' } },
    )
  }

  get counts(): ProducerCounts {
    return { ...this.#counts }
  }

  /**
   * Appends records in their order, each to its partition, and resolves with where each is once all survive a crash of
   * the machine (`durability: 'fsync'`), or of the process (`'os'`). Records are not to be changed until then. Sends to
   * one topic are appended in the order of the calls.
   * @throws BAD_ARGUMENT, RECORD_TOO_LARGE, NO_SUCH_TOPIC, CORRUPT_RECORDS, HANDLE_CLOSED: nothing was appended;
   *   STORE_FULL, STORE_UNAVAILABLE, PERMISSION_DENIED; LOG_LOCKED after another process took the log over, as this one
   *   stood still: some may have been, and the producer has to be opened anew.
   */
  async send(topic: string, records: readonly LogRecord[]): Promise<SentRecord[]> {
    this.#ensureOpen()
    let bytes = 0
    for (const [i, record] of records.entries()) bytes += this.#check(topic, record, i)
    this.#sending++
    try {
      const target = await this.#topic(topic)
      const { partitions } = target.topic
      for (const { partition } of records) {
        if (partition !== undefined && partition >= partitions) {
          throw badRecord(topic, `partition ${partition} is none of its ${partitions}`)
        }
      }
      if (records.length === 0) return []
      this.#counts.sends++
      return await new Promise<SentRecord[]>((resolve, reject) => {
        this.#queue.push({ target, records, bytes, resolve, reject })
        if (!this.#draining) void this.#drain()
      })
    } finally {
      if (--this.#sending === 0) this.#idle?.()
    }
  }

  /** The offset after the last record that may be read; undefined for a topic that this producer has not opened. */
  limit(topic: string, uuid: string, partition: number): number | undefined {
    return this.#writer(topic, uuid, partition)?.end
  }

  /** Base offset of the segment that is appended to; undefined as for {@link LogProducer.limit}. */
  lastSegment(topic: string, uuid: string, partition: number): number | undefined {
    return this.#writer(topic, uuid, partition)?.base
  }

  /** Runs a task that takes a topic away, between groups. */
  removeTopic(topic: string, task: (lock: LogLock) => Promise<void>): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#lock.confirm()
      const loading = this.#topics.get(topic)
      if (loading !== undefined) {
        const loaded = await loading.catch(() => undefined)
        this.#topics.delete(topic)
        this.#loaded.delete(topic)
        if (loaded !== undefined) {
          loaded.deleted = true
          for (const writer of loaded.writers) await writer.close()
        }
      }
      await task(this.#lock)
    })
  }

  /** Waits for the sends that are under way, closes the files and gives the lock back. Calls after the first do nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#sending > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    await this.#mutex.run(async () => {
      try {
        for (const loading of this.#topics.values()) {
          const loaded = await loading.catch(() => undefined)
          for (const writer of loaded?.writers ?? []) await writer.close()
        }
      } finally {
        this.#topics.clear()
        this.#loaded.clear()
        await this.#lock.release()
        this.#onClose()
      }
    })
  }

  #writer(topic: string, uuid: string, partition: number): PartitionWriter | undefined {
    const loaded = this.#loaded.get(topic)
    return loaded?.topic.uuid === uuid ? loaded.writers[partition] : undefined
  }

  #ensureOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing === undefined) return
    throw new FloeError('HANDLE_CLOSED', `This producer of the log ${this.#log} is closed`)
  }

  /** Most bytes of the frame. */
  #check(topic: string, record: LogRecord, index: number): number {
    const { key, value, timestampMs, partition, headers } = record
    if (value === undefined || !isBytes(value)) {
      throw badRecord(topic, `the value of record ${index} is no text, bytes or null`)
    }
    if (!isBytes(key))
      throw badRecord(topic, `the key of record ${index} is no text, bytes or null`)
    if (timestampMs !== undefined && !Number.isFinite(timestampMs)) {
      throw badRecord(topic, `the timestampMs of record ${index} is ${timestampMs}`)
    }
    if (partition !== undefined && !(Number.isSafeInteger(partition) && partition >= 0)) {
      throw badRecord(topic, `the partition of record ${index} is ${partition}`)
    }
    for (const header of headers ?? []) {
      if (typeof header.key !== 'string' || header.value === undefined || !isBytes(header.value)) {
        throw badRecord(topic, `a header of record ${index} has no key, or no value`)
      }
    }
    const most = this.#maxRecordBytes
    for (const [what, bytes] of [
      ['key', byteLength(key, most)],
      ['value', byteLength(value, most)],
    ] as const) {
      if (bytes <= most) continue
      throw new FloeError(
        'RECORD_TOO_LARGE',
        `Cannot append to ${topic}: the ${what} of record ${index} has ${bytes} bytes, more than maxRecordBytes (${most}). Raise maxRecordBytes, or keep such records out of the topic`,
        { context: { topic, index, bytes } },
      )
    }
    return frameBytesAtMost(record)
  }

  /** Always by the same promise, so that sends go on in the order of their calls. */
  #topic(name: string): Promise<LoadedTopic> {
    let loading = this.#topics.get(name)
    if (loading === undefined) {
      loading = this.#load(name)
      this.#topics.set(name, loading)
      loading.catch(() => {
        if (this.#topics.get(name) === loading) this.#topics.delete(name)
      })
    }
    return loading
  }

  async #load(name: string): Promise<LoadedTopic> {
    const topic = await readTopic(this.#log, name)
    const writers: PartitionWriter[] = []
    try {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const options = {
          log: this.#log,
          topic,
          partition,
          runtime: this.#runtime,
          sync: this.#sync,
          files: this.#lock.files,
          confirm: () => this.#lock.confirm(),
          onRetentionFailure: () => this.#counts.retentionFailures++,
        }
        writers.push(await PartitionWriter.open(options))
      }
    } catch (error) {
      for (const writer of writers) await writer.close()
      throw translate(`${this.#log}/${name}`, error, 'STORE_UNAVAILABLE')
    }
    const loaded: LoadedTopic = { topic, writers, deleted: false, turn: 0 }
    this.#loaded.set(name, loaded)
    return loaded
  }

  async #drain(): Promise<void> {
    this.#draining = true
    while (this.#queue.length > 0) {
      await this.#mutex.run(() => this.#writeGroup())
    }
    this.#draining = false
  }

  async #writeGroup(): Promise<void> {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && bytes < GROUP_BYTES) {
      bytes += (this.#queue[count++] as Send).bytes
    }
    const group = this.#queue.splice(0, count)
    const sent: { readonly send: Send; readonly at: SentRecord[] }[] = []
    const touched = new Set<PartitionWriter>()
    try {
      if (this.#failure !== undefined) throw this.#failure
      await this.#lock.confirm()
      const now = this.#runtime.now()
      for (const send of group) {
        const { target, records } = send
        if (target.deleted) {
          send.reject(noSuchTopic(this.#log, target.topic.name))
          continue
        }
        const at = records.map((record) => {
          const partition = partitionOf(target, record)
          const writer = target.writers[partition] as PartitionWriter
          touched.add(writer)
          return { partition, offset: writer.stage(record, record.timestampMs ?? now) }
        })
        sent.push({ send, at })
      }
      const writers = [...touched]
      await settled(writers.map((writer) => writer.write()))
      if (this.#sync) {
        await settled(writers.map((writer) => writer.sync()))
        this.#counts.syncs += writers.length
      }
      // Only what was written while no other process had the log is part of it.
      await this.#lock.confirm()
      for (const writer of writers) writer.publish()
      this.#counts.groups++
      for (const { send, at } of sent) {
        this.#counts.records += at.length
        send.resolve(at)
      }
      this.#onChange()
      await settled(writers.map((writer) => writer.markSynced()))
    } catch (cause) {
      // Another process that took the log over may be what it failed at.
      const error = await this.#lock.confirm().then(
        () => cause,
        (lost) => (isFloeError(lost, 'LOG_LOCKED') ? lost : cause),
      )
      // As well as it can be: what fails here is of the same disk.
      await Promise.allSettled([...touched].map((writer) => writer.disown()))
      // What a failed write or sync has left in the file is found out by opening it anew.
      this.#failure = isFloeError(error) ? error : translate(this.#log, error, 'STORE_UNAVAILABLE')
      for (const send of [...group, ...this.#queue]) send.reject(this.#failure)
      this.#queue = []
    }
  }
}

function partitionOf(target: LoadedTopic, { partition, key }: LogRecord): number {
  const { partitions } = target.topic
  if (partition !== undefined) return partition
  if (partitions === 1) return 0
  if (key === null || key === undefined) return target.turn++ % partitions
  return partitionOfKey(typeof key === 'string' ? Buffer.from(key) : key, partitions)
}

function isBytes(value: unknown): boolean {
  if (value === null || value === undefined) return true
  return typeof value === 'string' || value instanceof Uint8Array
}

/** Counted only where the number of characters does not decide. */
function byteLength(value: string | Uint8Array | null | undefined, most: number): number {
  if (value === null || value === undefined) return 0
  if (typeof value !== 'string') return value.length
  return value.length * 3 <= most ? value.length : Buffer.byteLength(value)
}

function badRecord(topic: string, why: string): FloeError {
  const message = `Cannot append to ${topic}: ${why}. Nothing of this send was appended`
  return new FloeError('BAD_ARGUMENT', message, { context: { topic } })
}

/** All have ended, whichever fail. */
async function settled(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) {
    if (result.status === 'rejected') throw result.reason
  }
}
