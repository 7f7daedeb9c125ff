/** A cache bounded by total weight; the entries used longest ago go first. */

interface Entry<K, V> {
  readonly key: K
  readonly value: V
  readonly weight: number
  newer: Entry<K, V> | undefined
  older: Entry<K, V> | undefined
}

/**
 * Entries are linked in the order of their use. The order of a `Map` would do, but to delete and to set an entry at
 * each use leaves holes in it, which are passed over again for every entry that goes.
 */
export class LruCache<K, V> {
  readonly #entries = new Map<K, Entry<K, V>>()
  readonly #maxWeight: number
  #weight = 0
  #newest: Entry<K, V> | undefined
  #oldest: Entry<K, V> | undefined

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#link(entry)
    }
    return entry.value
  }

  /** Keeps a value; one heavier than the whole cache is not kept. */
  set(key: K, value: V, weight: number): void {
    this.delete(key)
    if (weight > this.#maxWeight) return
    const entry = { key, value, weight, newer: undefined, older: undefined }
    this.#entries.set(key, entry)
    this.#link(entry)
    this.#weight += weight
    while (this.#weight > this.#maxWeight) this.delete((this.#oldest as Entry<K, V>).key)
  }

  delete(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#unlink(entry)
    this.#weight -= entry.weight
  }

  /** Makes an entry that is not linked the newest. */
  #link(entry: Entry<K, V>): void {
    entry.older = this.#newest
    if (this.#newest !== undefined) this.#newest.newer = entry
    this.#newest = entry
    this.#oldest ??= entry
  }

  #unlink(entry: Entry<K, V>): void {
    const { newer, older } = entry
    if (newer === undefined) this.#newest = older
    else newer.older = older
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    entry.newer = undefined
    entry.older = undefined
  }
}
