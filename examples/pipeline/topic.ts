/** The topic that the pipeline reads, and that its generator writes. */
import type { StreamSource } from 'floe/stream'
import type { EventSink } from './event-sink.ts'

export interface Topic {
  /** Says where it is, for people. */
  readonly description: string
  readonly source: StreamSource
  /** Undefined where nothing is to be sent. */
  readonly sink: EventSink | undefined
  /** Ends the sink and what else there is. Sources are ended by their readers. */
  close(): Promise<void>
}
