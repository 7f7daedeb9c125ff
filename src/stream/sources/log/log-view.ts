/** What readers know of a log beside its files. */
export interface LogView {
  readonly folder: string
  /** Grows with each change that this process makes. */
  readonly version: number
  /** Whether the producer of the log is in this process, so that each change of it is told. */
  readonly hasProducer: boolean
  /** The offset before which all is whole and synced; undefined if this process does not know. */
  limit(topic: string, uuid: string, partition: number): number | undefined
  /** Base offset of the segment that the producer of this process appends to; undefined where the limit is. */
  lastSegment(topic: string, uuid: string, partition: number): number | undefined
  /** Calls the listener after each change; call the result to end that. */
  onChange(listener: () => void): () => void
}

/** A log that another process produces to, if any does. */
export function foreignLog(folder: string): LogView {
  return {
    folder,
    version: 0,
    hasProducer: false,
    limit: () => undefined,
    lastSegment: () => undefined,
    onChange: () => () => undefined,
  }
}
