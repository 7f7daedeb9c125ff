/** How far the reading of one partition is, and what has arrived of it. */
import type { BatchDecoder } from './batch-decoder.ts'

/** What a broker gave: whole batches, not decoded. */
export interface RawPiece {
  readonly reading: PartitionReading
  readonly bytes: Buffer
  /** Where the whole batches end. */
  readonly end: number
  readonly decoder: BatchDecoder
  /** Where the batch begins that is decoded next. Headers take more memory than small batches: none is kept. */
  at: number
}

/** Thrown away, and a new one made, when the partition is taken away and comes back: what is under way for the old one is dropped. */
export class PartitionReading {
  readonly topic: string
  readonly partition: number
  /** Where it was begun. */
  readonly startOffset: number
  /** Asked for next. */
  fetchOffset: number
  /** Decoded next: where the last chunk ended. */
  decodeOffset: number
  /** False once it is not to be read any more. */
  live = true
  fetching = false
  /** Most bytes to ask for if the first batch came cut off, which brokers before 0.10.1 do. */
  fetchBytes = 0
  /** Whether the last answer had records of it. */
  gave = true
  /** How often in a row the first batch came cut off. */
  cutOff = 0
  /** On the monotonic clock. */
  failingSinceMs: number | undefined
  /** Not asked for before, on the monotonic clock. */
  retryAtMs = 0
  /** How often in a row its broker did not have the offset. */
  outOfRange = 0

  constructor(topic: string, partition: number, offset: number) {
    this.topic = topic
    this.partition = partition
    this.startOffset = offset
    this.fetchOffset = offset
    this.decodeOffset = offset
  }
}
