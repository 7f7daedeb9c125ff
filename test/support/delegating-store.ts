/** A store that hands every call on; tests override the calls that they are about. */
import type {
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
} from '../../src/io/store.ts'

type Arguments<K extends Exclude<keyof ObjectStore, 'scheme' | 'realPath'>> = Parameters<
  ObjectStore[K]
>

export class DelegatingStore implements ObjectStore {
  readonly scheme: string
  protected readonly inner: ObjectStore

  constructor(inner: ObjectStore) {
    this.inner = inner
    this.scheme = inner.scheme
  }

  get(...args: Arguments<'get'>): Promise<Uint8Array> {
    return this.inner.get(...args)
  }

  stat(...args: Arguments<'stat'>): Promise<ObjectStat | null> {
    return this.inner.stat(...args)
  }

  put(...args: Arguments<'put'>): Promise<void> {
    return this.inner.put(...args)
  }

  openWriter(...args: Arguments<'openWriter'>): Promise<ObjectWriter> {
    return this.inner.openWriter(...args)
  }

  putIfAbsent(...args: Arguments<'putIfAbsent'>): Promise<PutIfAbsentResult> {
    return this.inner.putIfAbsent(...args)
  }

  list(...args: Arguments<'list'>): AsyncIterable<ObjectStat> {
    return this.inner.list(...args)
  }

  delete(...args: Arguments<'delete'>): Promise<void> {
    return this.inner.delete(...args)
  }

  now(...args: Arguments<'now'>): Promise<number> {
    return this.inner.now(...args)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
