/** Bounds on what decoding an Avro file makes of its bytes: memory, time and depth (reliability.md §3). */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'

/** What decoding one file may still cost, shared by the cursors of its blocks. */
export class AvroBudget {
  readonly limits: Limits
  readonly file: string
  /** Most items of arrays and maps in memory at once. */
  readonly maxItems: number
  /** Most items without bytes in the whole file: each costs time, and nothing else bounds them. */
  readonly maxEmptyItems: number
  #items = 0
  #emptyItems = 0
  #depth = 0

  constructor(file: string, limits: Limits) {
    this.file = file
    this.limits = limits
    // An item in memory takes up to about 100 bytes: a full budget stays in the order of the limit itself.
    this.maxItems = Math.max(1024, Math.floor(limits.avroBlockBytes / 16))
    this.maxEmptyItems = Math.max(1024, Math.floor(limits.avroBlockBytes / 256))
  }

  /** Charges items that are about to be kept in memory. @throws LIMIT_EXCEEDED */
  takeItems(count: number): void {
    this.#items += count
    if (this.#items > this.maxItems) throw this.tooMany('list and map items at once', this.maxItems)
  }

  /** Charges items that take no bytes of the file. @throws LIMIT_EXCEEDED */
  takeEmptyItems(count: number): void {
    this.#emptyItems += count
    if (this.#emptyItems > this.maxEmptyItems) {
      throw this.tooMany('items that take no bytes', this.maxEmptyItems)
    }
  }

  /** Forgets the items kept so far: the consumer has taken them over. */
  releaseItems(): void {
    this.#items = 0
  }

  /** True when a batch should end: more than half of the items in memory are spent. */
  halfSpent(): boolean {
    return this.#items > this.maxItems / 2
  }

  /** The error for a file that is wrong as a whole. */
  corruptFile(why: string): FloeError {
    return new FloeError('CORRUPT_AVRO', `Cannot read ${this.file}: ${why}. The file is damaged`, {
      context: { file: this.file },
    })
  }

  /** Enters a nested value. @throws LIMIT_EXCEEDED beyond `limits.nestingDepth`. */
  enter(): void {
    if (++this.#depth > this.limits.nestingDepth) {
      checkLimit(this.limits, 'nestingDepth', this.#depth, `The nesting of a value in ${this.file}`)
    }
  }

  leave(): void {
    this.#depth--
  }

  private tooMany(what: string, max: number): FloeError {
    return new FloeError(
      'LIMIT_EXCEEDED',
      `Cannot read ${this.file}: it holds more than ${max} ${what}. If this is expected, raise ` +
        'limits.avroBlockBytes in openLake, which that number grows with',
      { context: { file: this.file, limit: 'avroBlockBytes', max } },
    )
  }
}
