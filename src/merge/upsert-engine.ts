/** Upserts of a lake's tables, with the key indexes that they share. */
import { identifierText } from '../iceberg/catalog/identifier.ts'
import { loadArrow } from '../iceberg/columns/arrow.ts'
import { typeText } from '../iceberg/spec/type-text.ts'
import type { Environment } from '../iceberg/table/environment.ts'
import { currentSchema, type TableState } from '../iceberg/table/table-state.ts'
import type { UpsertEngine, UpsertOptions } from '../iceberg/table/upsert-engine.ts'
import type { AppendInput } from '../iceberg/table/write/input.ts'
import { PrimaryKeyIndex } from './index/primary-key-index.ts'
import { comparedIds } from './upsert/decision.ts'
import { readRows } from './upsert/upsert-input.ts'
import { KeyedUpsertPlanner } from './upsert/upsert-planner.ts'
import { type UpsertSettings, upsertSettings } from './upsert/upsert-settings.ts'

export class KeyedUpserts implements UpsertEngine {
  readonly #env: Environment
  /** By table and by what the index is of; the least recently used goes when all together need more than the limit. */
  readonly #indexes = new Map<string, PrimaryKeyIndex>()

  constructor(env: Environment) {
    this.#env = env
  }

  /** @throws see `Table.upsert` */
  async planner(
    state: TableState,
    input: AppendInput,
    options: UpsertOptions & { readonly recordsOutcome?: boolean },
  ): Promise<KeyedUpsertPlanner> {
    const table = identifierText(state.identifier)
    await loadArrow()
    const settings = upsertSettings(table, currentSchema(state.metadata), options)
    const index = this.#index(state, settings)
    const { limits, runtime } = this.#env
    const { signal, onProgress } = options
    const { codec } = index
    const rows = await readRows(input, { settings, codec, limits, runtime, signal, onProgress })
    return new KeyedUpsertPlanner({
      env: this.#env,
      index,
      settings,
      rows,
      recordsOutcome: options.recordsOutcome ?? false,
      onProgress,
    })
  }

  close(): void {
    for (const index of this.#indexes.values()) index.clear()
    this.#indexes.clear()
  }

  #index({ metadata }: TableState, settings: UpsertSettings): PrimaryKeyIndex {
    const { table: name, keys, nullSafe } = settings
    // With stored values at hand, nothing needs a hash (MG-20).
    const isHashed =
      settings.skipUnchanged && !settings.verifyUnchanged && settings.rules === undefined
    const hashedIds = isHashed ? comparedIds(settings) : undefined
    // A type that was widened may need keys of another width.
    const keyIds = keys.map((key) => `${key.idPath.join('.')}:${typeText(key.type)}`)
    const id = [metadata.tableUuid, keyIds.join(), nullSafe, hashedIds?.join()].join('/')
    let index = this.#indexes.get(id)
    // The map keeps the order of use.
    this.#indexes.delete(id)
    index ??= new PrimaryKeyIndex({ env: this.#env, name, fields: keys, nullSafe, hashedIds })
    this.#indexes.set(id, index)
    this.#keepWithinLimit(index)
    return index
  }

  #keepWithinLimit(used: PrimaryKeyIndex): void {
    let bytes = 0
    for (const index of this.#indexes.values()) bytes += index.bytes
    for (const [id, index] of this.#indexes) {
      if (bytes <= this.#env.limits.indexMemoryBytes) return
      if (index === used) continue
      bytes -= index.bytes
      this.#indexes.delete(id)
    }
  }
}
