export interface KafkaServer {
  readonly name: 'kafka'
  /** `host:port` */
  readonly url: string
  /** Ends the broker in order, or starts it again on the same data and port. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Ends it as a power failure would. */
  kill9(): Promise<void>
  kill(): void
  /** Has it stand still, with its connections open, and go on. */
  freeze(): void
  thaw(): void
}

/**
 * A broker with a data folder and ports of its own.
 * @param folder what `installKafka` gave.
 */
export function startKafka(folder: string, work: string): Promise<KafkaServer>
