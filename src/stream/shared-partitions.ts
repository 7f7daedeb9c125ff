/** Partitions that are given and taken while a stream runs: which ones a runner reads, and what a rebalance explains. */
import { type OffsetRange, type Position, partitionKey } from './position.ts'
import type { SourceReader } from './source.ts'

/**
 * A partition that was got may have moved so often in a row: the reader before it ends a commit, or several, until it
 * hears of the rebalance. With the pauses in between that is given 20 seconds, and heartbeats go each 3 at least.
 */
const MOST_LATE_COMMITS = 8

/** Of one reader; does nothing for one whose partitions are its own for good. */
export class SharedPartitions {
  readonly #reader: SourceReader
  /** The generation that is read; undefined when it has to be seen anew where the tables are. */
  #generation: number | undefined
  /** In which generation a partition was committed last. */
  readonly #committedIn = new Map<string, number>()
  /** Batches in a row that met late commits, in the generation that is read. */
  #late = 0
  #lateIn: number | undefined

  constructor(reader: SourceReader) {
    this.#reader = reader
  }

  /** True if the reader has other partitions than those that are read, or is to begin again. */
  get isReassigned(): boolean {
    const { sharing } = this.#reader
    return sharing !== undefined && sharing.generation !== this.#generation
  }

  /**
   * Reads what the reader has now from a position.
   * @param find tells the position, once it is known in which generation that is.
   * @throws what `find` and the source throw
   */
  async resume(find: () => Promise<Position>): Promise<void> {
    const { sharing } = this.#reader
    if (sharing === undefined) return
    const { generation } = sharing
    await sharing.resume(generation, await find())
    this.#generation = generation
  }

  /** Has the next batch begin again where the tables are. */
  restart(): void {
    this.#generation = undefined
  }

  committed(ranges: readonly OffsetRange[]): void {
    if (this.#generation === undefined) return
    this.#late = 0
    for (const range of ranges) this.#committedIn.set(partitionKey(range), this.#generation)
  }

  /**
   * Whether another reader of the group is why a batch of these ranges met partitions that had moved: the reader has lost
   * them, or it got them when the one before it had a commit under way. One who has a partition and has committed it is
   * alone with it, and late commits come to an end.
   * @throws SOURCE_UNAVAILABLE
   */
  async explain(moved: ReadonlySet<string>, ranges: readonly OffsetRange[]): Promise<boolean> {
    const { sharing } = this.#reader
    if (sharing === undefined) return false
    if (this.isReassigned) return true
    const isOwn = ranges.some((range) => {
      const key = partitionKey(range)
      return moved.has(key) && this.#committedIn.get(key) === this.#generation
    })
    if (this.#lateIn !== this.#generation) this.#late = 0
    this.#lateIn = this.#generation
    const isLate = !isOwn && ++this.#late <= MOST_LATE_COMMITS
    return isLate || !(await sharing.isCurrent())
  }
}
