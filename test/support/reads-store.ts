/** A store in memory that notes which objects are read. */
import { MemoryStore } from '../../src/io/memory.ts'

export class ReadsStore extends MemoryStore {
  readonly reads: string[] = []

  override get(...args: Parameters<MemoryStore['get']>): Promise<Uint8Array> {
    this.reads.push(args[0])
    return super.get(...args)
  }

  /** Metadata files read since it was asked last. */
  takeMetadataReads(): readonly string[] {
    return this.reads.splice(0).filter((path) => path.endsWith('.metadata.json'))
  }
}
