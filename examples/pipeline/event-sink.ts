/** Where generated events go. */

export interface SinkRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** When the event was sent, in milliseconds since the epoch. */
  readonly timestampMs: number
}

export interface EventSink {
  /** Resolves once the records are kept. */
  send(records: readonly SinkRecord[]): Promise<void>
}
