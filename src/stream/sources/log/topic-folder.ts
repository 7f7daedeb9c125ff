/**
 * Topics as folders: `<log>/<topic>/topic.json` and `<log>/<topic>/<partition>/`. A topic appears and disappears whole,
 * by a rename; names that begin with a dot are not topics.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { FloeError, isFloeError } from '../../../core/errors.ts'
import {
  asInt,
  asObject,
  asSafeLong,
  asString,
  encodeJson,
  parseJsonBytes,
} from '../../../core/json.ts'
import { type Runtime, uuidV4 } from '../../../core/runtime.ts'
import { errorCode, syncFolder } from '../../../io/file-system.ts'
import { noSuchTopic, translate } from './log-errors.ts'
import type { OwnFiles } from './segment-cut.ts'
import { segmentPath } from './segments.ts'

export interface TopicOptions {
  /** Fixed once the topic is made. */
  readonly partitions: number
  /** Size at which a segment file is followed by the next; 64 MiB if absent. Retention removes whole segments. */
  readonly segmentBytes?: number
  /** Oldest segments of a partition are removed while so many bytes are left without them; none, if absent. */
  readonly retentionBytes?: number
  /** How long segments are kept after their last append; for ever, if absent. */
  readonly retentionMs?: number
}

export interface Topic {
  readonly name: string
  /** Another one for a topic that was deleted and made anew. */
  readonly uuid: string
  readonly partitions: number
  readonly segmentBytes: number
  readonly retentionBytes: number | undefined
  readonly retentionMs: number | undefined
}

/** Of the files of a topic. */
const FORMAT_VERSION = 1
const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
/** Relative offsets and positions of a segment are kept in 32 bits. */
const MAX_SEGMENT_BYTES = 1024 * 1024 * 1024
const MAX_PARTITIONS = 10_000

export function partitionFolder(log: string, topic: string, partition: number): string {
  return `${log}/${topic}/${partition}`
}

/** @throws BAD_NAME, BAD_ARGUMENT for options and for a topic that exists; STORE_UNAVAILABLE … */
export async function createTopicFolder(
  log: string,
  name: string,
  options: TopicOptions,
  runtime: Runtime,
  sync: boolean,
): Promise<Topic> {
  const topic = checkedTopic(name, options, uuidV4(runtime))
  const temporary = `${log}/.new-${topic.uuid}`
  try {
    for (let partition = 0; partition < topic.partitions; partition++) {
      const folder = `${temporary}/${partition}`
      await mkdir(folder, { recursive: true })
      await writeNew(segmentPath(folder, 0), new Uint8Array(0), sync)
      if (sync) await syncFolder(folder)
    }
    await writeNew(`${temporary}/topic.json`, topicJson(topic), sync)
    if (sync) await syncFolder(temporary)
    await rename(temporary, `${log}/${name}`)
    if (sync) await syncFolder(log)
    return topic
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') {
      const message = `Cannot create the topic ${name} of the log ${log}: it exists. Use it, or delete it first`
      throw new FloeError('BAD_ARGUMENT', message, { cause: error, context: { log, topic: name } })
    }
    throw translate(`${log}/${name}`, error, 'STORE_UNAVAILABLE')
  }
}

/**
 * In one step that fails once another process has the log, which may have made a topic of the name anew.
 * @throws NO_SUCH_TOPIC; STORE_UNAVAILABLE …
 */
export async function deleteTopicFolder(
  log: string,
  name: string,
  { files, runtime }: OwnFiles,
  sync: boolean,
): Promise<void> {
  const gone = `${files}/${uuidV4(runtime)}`
  try {
    await rename(`${log}/${name}`, gone)
    if (sync) await syncFolder(log)
    await rm(gone, { recursive: true, force: true })
  } catch (error) {
    // Of the topic, or of the owner's folder, which somebody has removed.
    if (errorCode(error) === 'ENOENT' && !(await isThere(`${log}/${name}`))) {
      throw noSuchTopic(log, name)
    }
    throw translate(`${log}/${name}`, error, 'STORE_UNAVAILABLE')
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}

/**
 * @throws NO_SUCH_TOPIC, CORRUPT_RECORDS for a topic.json that cannot be read, FORMAT_VERSION for one of a newer version,
 *   SOURCE_UNAVAILABLE …
 */
export async function readTopic(log: string, name: string): Promise<Topic> {
  if (!isTopicName(name)) throw noSuchTopic(log, name)
  const path = `${log}/${name}/topic.json`
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
      throw noSuchTopic(log, name)
    }
    throw translate(path, error, 'SOURCE_UNAVAILABLE')
  }
  try {
    const json = asObject(parseJsonBytes(bytes, path), path)
    const version = asInt(json['format-version'], `${path}: format-version`)
    if (version > FORMAT_VERSION) throw newerFormat(name, path, version)
    if (version < 1) throw new Error(`${path}: format-version is ${version}`)
    const long = (key: string): number | undefined =>
      json[key] === undefined ? undefined : asSafeLong(json[key], `${path}: ${key}`)
    return {
      name,
      uuid: asString(json['uuid'], `${path}: uuid`),
      partitions: asInt(json['partitions'], `${path}: partitions`),
      segmentBytes: asSafeLong(json['segment-bytes'], `${path}: segment-bytes`),
      retentionBytes: long('retention-bytes'),
      retentionMs: long('retention-ms'),
    }
  } catch (error) {
    if (isFloeError(error, 'FORMAT_VERSION')) throw error
    const message = `The topic ${name} cannot be read: ${path} is damaged. Restore the file`
    throw new FloeError('CORRUPT_RECORDS', message, {
      cause: error,
      context: { topic: name, file: path },
    })
  }
}

/** Names of all topics, in order. */
export async function topicNames(log: string): Promise<string[]> {
  try {
    const entries = await readdir(log, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && isTopicName(entry.name))
      .map(({ name }) => name)
      .sort()
  } catch (error) {
    throw translate(log, error, 'SOURCE_UNAVAILABLE')
  }
}

function newerFormat(name: string, path: string, version: number): FloeError {
  return new FloeError(
    'FORMAT_VERSION',
    `The topic ${name} cannot be read: ${path} is of format ${version}, and this version of floe knows ${FORMAT_VERSION}. Upgrade floe`,
    { context: { topic: name, file: path } },
  )
}

async function writeNew(path: string, bytes: Uint8Array, sync: boolean): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(bytes)
    if (sync) await file.sync()
  } finally {
    await file.close()
  }
}

function topicJson(topic: Topic): Uint8Array {
  const { uuid, partitions, segmentBytes, retentionBytes, retentionMs } = topic
  return encodeJson({
    'format-version': FORMAT_VERSION,
    uuid,
    partitions,
    'segment-bytes': segmentBytes,
    ...(retentionBytes === undefined ? {} : { 'retention-bytes': retentionBytes }),
    ...(retentionMs === undefined ? {} : { 'retention-ms': retentionMs }),
  })
}

/** As Kafka has them, but for a leading dot. */
function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,248}$/.test(name)
}

function checkedTopic(name: string, options: TopicOptions, uuid: string): Topic {
  if (!isTopicName(name)) {
    throw new FloeError(
      'BAD_NAME',
      `${JSON.stringify(name)} cannot name a topic. Use up to 249 of a-z, A-Z, 0-9, ".", "_" and "-", with no dot first`,
      { context: { topic: name } },
    )
  }
  const { partitions, segmentBytes = DEFAULT_SEGMENT_BYTES, retentionBytes, retentionMs } = options
  const check = (option: string, value: number | undefined, most: number): void => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= most)) return
    const message = `Cannot create the topic ${name}: ${option} is ${value}. Give a whole number from 1 to ${most}`
    throw new FloeError('BAD_ARGUMENT', message, { context: { topic: name, option } })
  }
  check('partitions', partitions, MAX_PARTITIONS)
  check('segmentBytes', segmentBytes, MAX_SEGMENT_BYTES)
  check('retentionBytes', retentionBytes, Number.MAX_SAFE_INTEGER)
  check('retentionMs', retentionMs, Number.MAX_SAFE_INTEGER)
  return { name, uuid, partitions, segmentBytes, retentionBytes, retentionMs }
}
