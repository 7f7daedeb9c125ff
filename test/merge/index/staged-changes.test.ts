import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import type { EncodedKeys } from '../../../src/merge/index/key-codec.ts'
import { KeyTable, NO_FILE } from '../../../src/merge/index/key-table.ts'
import { StagedChanges } from '../../../src/merge/index/staged-changes.ts'
import { errorOf } from '../../support/expect-error.ts'
import { batchOf, codecOf, fieldsOf } from '../batches.ts'

beforeAll(async () => {
  await loadArrow()
})

const codec = codecOf(fieldsOf({ k: { kind: 'long' } }))
const keysOf = (keys: readonly number[]): EncodedKeys => ({
  codec,
  rows: keys.length,
  words: Uint32Array.from(keys.flatMap((key) => [key, 0])),
  nulls: undefined,
})
const sideOf = (keys: readonly number[], version: number): Uint32Array[] => [
  Uint32Array.from(keys.flatMap((key) => [key, version])),
]

interface Entry {
  readonly fileId: number
  readonly position: number
  readonly version: number
}

const SPACE = 400
/** One attempt: each key is upserted or deleted, or not named; its commit succeeds, fails, or the index is changed. */
const attempt = fc.record({
  upserts: fc.uniqueArray(fc.nat(SPACE), { maxLength: 150 }),
  deletes: fc.uniqueArray(fc.nat(SPACE), { maxLength: 60 }),
  outcome: fc.constantFrom('success', 'success', 'failure', 'foreign'),
})

function readAll(table: KeyTable): Map<number, Entry> {
  const slots = table.probe(keysOf(Array.from({ length: SPACE + 1 }, (_, key) => key)))
  const { fileIds, positions } = table.locations(slots)
  const side = table.side(0, slots)
  const found = new Map<number, Entry>()
  slots.forEach((slot, key) => {
    if (slot < 0) return
    expect(side[2 * key]).toBe(key)
    found.set(key, {
      fileId: fileIds[key] as number,
      position: positions[key] as number,
      version: side[2 * key + 1] as number,
    })
  })
  return found
}

describe('staged changes', () => {
  it('MG-36: change the index on success as a Map would be, and not one bit of it on failure', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 8 }), (attempts) => {
        const table = new KeyTable({ codec, limits: DEFAULT_LIMITS, name: 't', sideColumns: 1 })
        const model = new Map<number, Entry>()
        attempts.forEach(({ upserts, deletes, outcome }, version) => {
          const before = table.chunks.map((chunk) => chunk.slice())
          const { generation, size } = table
          const gone = deletes.filter((key) => model.has(key) && !upserts.includes(key))
          const known = upserts.filter((key) => model.has(key))
          const fresh = upserts.filter((key) => !model.has(key))
          const staged = new StagedChanges(table)
          const keys = keysOf(upserts)
          const rows = Int32Array.from(fresh, (key) => upserts.indexOf(key))
          const positions = Uint32Array.from(fresh, (_, i) => 7 * i)
          staged.insert(
            keys,
            { fileId: version, positions },
            { rows, side: sideOf(fresh, version) },
          )
          staged.remove(table.probe(keysOf(gone)))
          staged.move(
            table.probe(keysOf(known)),
            { fileId: 100 + version, start: 5 },
            sideOf(known, version),
          )
          // What was passed in may be used again.
          keys.words.fill(0)
          positions.fill(0)
          rows.fill(0)
          expect(staged.inserted).toBe(fresh.length)
          expect(table.chunks).toEqual(before)
          expect([table.generation, table.size]).toEqual([generation, size])
          if (outcome === 'failure') return
          if (outcome === 'foreign') {
            table.insert(keysOf([SPACE + 5]), { fileId: 1, start: 1 }, { side: sideOf([0], 0) })
            expect(staged.valid).toBe(false)
            const changed = table.chunks.map((chunk) => chunk.slice())
            errorOf('ASSERTION_FAILED', () => staged.apply())
            errorOf('ASSERTION_FAILED', () => staged.remove(Int32Array.of(0)))
            expect(table.chunks).toEqual(changed)
            table.remove(keysOf([SPACE + 5]))
            return
          }
          expect(staged.valid).toBe(true)
          staged.apply()
          for (const key of gone) model.delete(key)
          known.forEach((key, i) => {
            model.set(key, { fileId: 100 + version, position: 5 + i, version })
          })
          fresh.forEach((key, i) => {
            model.set(key, { fileId: version, position: 7 * i, version })
          })
          expect(readAll(table)).toEqual(new Map([...model].sort(([a], [b]) => a - b)))
          expect(staged.valid).toBe(false)
          errorOf('ASSERTION_FAILED', () => staged.apply())
        })
      }),
      { numRuns: 120 },
    )
  })

  it('say that there is no room while nothing has been committed yet', () => {
    const limits = { ...DEFAULT_LIMITS, indexMemoryBytes: 128 * 16 }
    const table = new KeyTable({ codec, limits, name: 'shop.orders' })
    table.insert(keysOf(Array.from({ length: 90 }, (_, key) => key)), { fileId: 0, start: 0 })
    const staged = new StagedChanges(table)
    staged.insert(keysOf([100, 101, 102]), { fileId: 1, start: 0 })
    staged.insert(keysOf([103, 104, 105]), { fileId: 1, start: 3 })
    errorOf('LIMIT_EXCEEDED', () => staged.insert(keysOf([106]), { fileId: 1, start: 6 }))
    staged.apply()
    expect(table.size).toBe(96)
  })

  it('pass over rows with a null key, keep side columns that are not given, and name keys that were there', () => {
    const fields = fieldsOf({ k: { kind: 'long' } })
    const own = codecOf(fields)
    const table = new KeyTable({ codec: own, limits: DEFAULT_LIMITS, name: 't', sideColumns: 1 })
    const keys = own.encode(batchOf(fields, [{ k: 1 }, { k: null }, { k: 3 }, { k: 4 }]))
    const first = new StagedChanges(table)
    const side = [Uint32Array.of(1, 1, 2, 2, 3, 3)]
    first.insert(keys, { fileId: 0, start: 10 }, { rows: Int32Array.of(2, 1, 0), side })
    errorOf('ASSERTION_FAILED', () => first.insert(keys, { fileId: 0, start: 0 }))
    expect(first.apply().inserts).toMatchObject([{ inserted: 2, at: { start: 10 } }])
    const slots = table.probe(keys)
    expect([...table.locations(slots).positions]).toEqual([12, 0, 10, 0])
    expect([...table.locations(slots).fileIds]).toEqual([0, NO_FILE, 0, NO_FILE])
    const second = new StagedChanges(table)
    second.move(
      slots.filter((slot) => slot >= 0),
      { fileId: 9, start: 0 },
    )
    second.apply()
    expect([...table.side(0, slots)]).toEqual([3, 3, 0, 0, 1, 1, 0, 0])
    const third = new StagedChanges(table)
    third.insert(keys, { fileId: 1, start: 0 }, { side: [new Uint32Array(8)] })
    const [applied] = third.apply().inserts
    expect(applied).toMatchObject({ inserted: 1, at: { fileId: 1 } })
    expect([...(applied?.duplicates.rows ?? [])]).toEqual([0, 2])
    expect([...table.locations(slots).fileIds]).toEqual([9, NO_FILE, 9, NO_FILE])
  })
})
