import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import type { EncodedKeys, KeyCodec } from '../../../src/merge/index/key-codec.ts'
import { KeyTable, NO_FILE, type Placement } from '../../../src/merge/index/key-table.ts'
import { errorOf } from '../../support/expect-error.ts'
import { batchOf, codecOf, fieldsOf } from '../batches.ts'

beforeAll(async () => {
  await loadArrow()
})

const k8 = codecOf(fieldsOf({ k: { kind: 'long' } }))
const k16 = codecOf(fieldsOf({ k: { kind: 'string' } }))

/** Makes keys of numbers: longs, or hashes of which the part that places them is as good as `place`. */
interface KeyKind {
  readonly name: string
  readonly codec: KeyCodec
  readonly words: (key: number) => readonly number[]
}
const KINDS: readonly KeyKind[] = [
  { name: 'longs', codec: k8, words: (key) => [key, key * 3] },
  { name: 'longs that differ above', codec: k8, words: (key) => [7, key] },
  {
    name: 'good hashes',
    codec: k16,
    words: (key) => [Math.imul(key, 0x9e3779b1) >>> 0, key, 0, 0],
  },
  { name: 'hashes that are all the same', codec: k16, words: (key) => [0, 1, 2, key] },
  { name: 'hashes that all begin at the end', codec: k16, words: (key) => [0xffffffff, 0, key, 0] },
  {
    name: 'hashes of two values, at both ends',
    codec: k16,
    words: (key) => [key % 2 === 0 ? 0xfffffff0 : 3, key, key, key],
  },
]

function keysOf(kind: KeyKind, keys: readonly number[]): EncodedKeys {
  const words = Uint32Array.from(keys.flatMap((key) => kind.words(key)))
  return { codec: kind.codec, rows: keys.length, words, nulls: undefined }
}

interface Location {
  fileId: number
  position: number
}

type Command =
  | { readonly op: 'insert'; readonly keys: readonly number[]; readonly at: Placement }
  | { readonly op: 'remove' | 'move' | 'remove slots'; readonly keys: readonly number[] }
  | { readonly op: 'remove at'; readonly keys: readonly number[]; readonly fileId: number }
  | { readonly op: 'remove files'; readonly fileIds: readonly number[] }

const SPACE = 300
const someKeys = fc.array(fc.nat(SPACE), { maxLength: 120 })
const file = fc.nat(5)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('insert' as const),
      keys: someKeys,
      at: fc.record({ fileId: file, start: fc.nat(1000) }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constantFrom('remove' as const, 'move' as const, 'remove slots' as const),
      keys: someKeys,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('remove at' as const), keys: someKeys, fileId: file }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('remove files' as const),
      fileIds: fc.array(file, { maxLength: 3 }),
    }),
  },
)

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]

function run(kind: KeyKind, commands: readonly Command[], sideColumns: number): void {
  const table = new KeyTable({ codec: kind.codec, limits: DEFAULT_LIMITS, name: 't', sideColumns })
  const model = new Map<number, Location>()
  const everything = Array.from({ length: SPACE + 1 }, (_, key) => key)
  for (const c of commands) {
    const { generation } = table
    let changed = true
    switch (c.op) {
      case 'insert': {
        const { fileId, start } = c.at as { fileId: number; start: number }
        const expected: (Location & { row: number })[] = []
        c.keys.forEach((key, row) => {
          const known = model.get(key)
          if (known !== undefined) expected.push({ row, ...known })
          else model.set(key, { fileId, position: start + row })
        })
        const side = Array.from({ length: sideColumns }, (_, s) =>
          Uint32Array.from(c.keys.flatMap((key) => [key, s])),
        )
        const d = table.insert(keysOf(kind, c.keys), c.at, { side })
        const found = [...d.rows].map((row, i) => ({
          row,
          fileId: d.fileIds[i],
          position: d.positions[i],
        }))
        expect(found).toEqual(expected)
        break
      }
      case 'remove': {
        const removed = unique(c.keys).filter((key) => model.delete(key)).length
        expect(table.remove(keysOf(kind, c.keys))).toBe(removed)
        break
      }
      case 'remove slots': {
        const present = unique(c.keys).filter((key) => model.delete(key))
        table.removeSlots(table.probe(keysOf(kind, present)))
        break
      }
      case 'remove at': {
        const positions = Uint32Array.from(c.keys, (key) => model.get(key)?.position ?? 0)
        for (const key of unique(c.keys)) {
          if (model.get(key)?.fileId === c.fileId) model.delete(key)
        }
        table.remove(keysOf(kind, c.keys), { at: { fileId: c.fileId, positions } })
        break
      }
      case 'move': {
        const present = unique(c.keys).filter((key) => model.has(key))
        present.forEach((key, i) => {
          model.set(key, { fileId: 4, position: 5000 + i })
        })
        table.set(table.probe(keysOf(kind, present)), { fileId: 4, start: 5000 })
        break
      }
      case 'remove files': {
        const before = model.size
        for (const [key, { fileId }] of model) if (c.fileIds.includes(fileId)) model.delete(key)
        expect(table.removeFiles(c.fileIds)).toBe(before - model.size)
        changed = before !== model.size
        break
      }
    }
    if (changed) expect(table.generation).not.toBe(generation)
    expect(table.size).toBe(model.size)
    const slots = table.probe(keysOf(kind, everything))
    const { fileIds, positions } = table.locations(slots)
    const found = everything.map((_, i) => [fileIds[i], positions[i]])
    const expected = everything.map((key) => {
      const known = model.get(key)
      return known === undefined ? [NO_FILE, 0] : [known.fileId, known.position]
    })
    expect(found).toEqual(expected)
    expect([...slots].filter((slot, i) => slot < 0 !== (fileIds[i] === NO_FILE))).toEqual([])
    for (let s = 0; s < sideColumns; s++) {
      const values = everything.flatMap((key, i) => ((slots[i] as number) < 0 ? [0, 0] : [key, s]))
      expect([...table.side(s, slots)]).toEqual(values)
    }
  }
  // Free slots are zeros, so that equal contents made in the same way are equal memory.
  const stride = kind.codec.words + 2 + 2 * sideColumns
  let taken = 0
  let dirty = 0
  for (const chunk of table.chunks) {
    for (let at = 0; at < chunk.length; at += stride) {
      if (chunk[at + kind.codec.words] !== 0) taken++
      else if (chunk.subarray(at, at + stride).some((w) => w !== 0)) dirty++
    }
  }
  expect([taken, dirty]).toEqual([table.size, 0])
}

describe('key table', () => {
  it.each(KINDS)('does what a Map does, $name', (kind) => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), fc.nat(2), (commands, side) => {
        run(kind, commands, side)
      }),
      { numRuns: 60 },
    )
  })

  it.each([
    { name: 'longs', codec: k8, words: (key: number) => [key, 0] },
    {
      name: 'hashes, many of them at the end and at one place',
      codec: k16,
      words: (key: number) => [
        key % 100 === 0
          ? 0xffffffff
          : key % 101 === 0
            ? 0x7fffffff
            : Math.imul(key, 0x9e3779b1) >>> 0,
        key,
        0,
        0,
      ],
    },
  ])('grows over many chunks and shrinks again, $name', (kind) => {
    const table = new KeyTable({ codec: kind.codec, limits: DEFAULT_LIMITS, name: 't' })
    const count = 220_000
    const step = 20_000
    const all = Array.from({ length: count }, (_, key) => key)
    for (let from = 0; from < count; from += step) {
      const keys = keysOf(kind, all.slice(from, from + step))
      expect(table.insert(keys, { fileId: from / step, start: 0 }).rows.length).toBe(0)
    }
    expect(table.chunks.length).toBeGreaterThan(4)
    const expectAll = (removed: (key: number) => boolean): void => {
      const { fileIds, positions } = table.locations(table.probe(keysOf(kind, all)))
      let wrong = 0
      for (const key of all) {
        const gone = removed(key)
        const right = gone
          ? fileIds[key] === NO_FILE
          : fileIds[key] === Math.floor(key / step) && positions[key] === key % step
        if (!right) wrong++
      }
      expect(wrong).toBe(0)
    }
    expectAll(() => false)
    const odd = Int32Array.from(all.filter((key) => key % 2 === 1))
    expect(table.remove(keysOf(kind, all), { rows: odd })).toBe(odd.length)
    expectAll((key) => key % 2 === 1)
    expect(table.removeFiles([0, 3, 10])).toBe((3 * step) / 2)
    const gone = new Set([0, 3, 10])
    expectAll((key) => key % 2 === 1 || gone.has(Math.floor(key / step)))
    expect(table.size).toBe((count - 3 * step) / 2)
  })

  it('passes over rows with a null key: nothing matches them (MG-2)', () => {
    const fields = fieldsOf({ k: { kind: 'long' } })
    const codec = codecOf(fields)
    const table = new KeyTable({ codec, limits: DEFAULT_LIMITS, name: 't' })
    const keys = codec.encode(batchOf(fields, [{ k: 1 }, { k: null }, { k: 0 }, { k: null }]))
    expect(table.insert(keys, { fileId: 2, start: 10 }).rows.length).toBe(0)
    expect(table.size).toBe(2)
    const slots = table.probe(keys)
    expect([...table.locations(slots).fileIds]).toEqual([2, NO_FILE, 2, NO_FILE])
    expect([...table.locations(slots).positions]).toEqual([10, 0, 12, 0])
    expect(table.remove(keys)).toBe(2)
  })

  it('takes chosen rows only, and the ends of all ranges', () => {
    const fields = fieldsOf({ k: { kind: 'long' } })
    const codec = codecOf(fields)
    const values = [-(2n ** 63n), 2n ** 63n - 1n, -1n, 0n]
    const keys = codec.encode(
      batchOf(
        fields,
        values.map((k) => ({ k })),
      ),
    )
    const table = new KeyTable({ codec, limits: DEFAULT_LIMITS, name: 't', sideColumns: 1 })
    const rows = Int32Array.of(3, 0, 1)
    const positions = Uint32Array.of(0xffffffff, 0, 7)
    const side = [Uint32Array.of(1, 2, 3, 4, 0xffffffff, 0xffffffff)]
    table.insert(keys, { fileId: 0xfffffffe, positions }, { rows, side })
    const slots = table.probe(keys)
    const found = table.locations(slots)
    expect([...found.fileIds]).toEqual([0xfffffffe, 0xfffffffe, NO_FILE, 0xfffffffe])
    expect([...found.positions]).toEqual([0, 7, 0, 0xffffffff])
    expect([...table.side(0, slots)]).toEqual([3, 4, 0xffffffff, 0xffffffff, 0, 0, 1, 2])
    const first = slots.subarray(0, 1)
    table.set(first, { fileId: 6, start: 5 }, [Uint32Array.of(8, 9)])
    expect([...table.side(0, first)]).toEqual([8, 9])
    table.set(first, { fileId: 7, positions: Uint32Array.of(3) })
    expect([...table.side(0, first)]).toEqual([8, 9])
    expect(table.locations(first)).toEqual({
      fileIds: Uint32Array.of(7),
      positions: Uint32Array.of(3),
    })
    errorOf('ASSERTION_FAILED', () => table.insert(keys, { fileId: NO_FILE, start: 0 }, { side }))
    errorOf('ASSERTION_FAILED', () => table.set(slots, { fileId: 0, start: 0 }))
    errorOf('ASSERTION_FAILED', () => table.side(1, slots))
  })

  it('refuses keys of another codec', () => {
    const table = new KeyTable({ codec: k8, limits: DEFAULT_LIMITS, name: 't' })
    const other = codecOf(fieldsOf({ k: { kind: 'long' } }))
    errorOf('ASSERTION_FAILED', () =>
      table.probe({ codec: other, rows: 1, words: new Uint32Array(2), nulls: undefined }),
    )
  })

  it('stays below its memory limit: the error comes first, and nothing changes', () => {
    const limits = { ...DEFAULT_LIMITS, indexMemoryBytes: 2 ** 12 * 16 }
    const kind = KINDS[0] as KeyKind
    const table = new KeyTable({ codec: k8, limits, name: 'shop.orders' })
    const fits = Array.from({ length: 3072 }, (_, key) => key)
    table.insert(keysOf(kind, fits), { fileId: 0, start: 0 })
    expect(table.bytes).toBe(limits.indexMemoryBytes)
    const { generation } = table
    const before = table.chunks.map((chunk) => chunk.slice())
    const more = keysOf(kind, [5000])
    const error = errorOf('LIMIT_EXCEEDED', () => table.insert(more, { fileId: 1, start: 0 }))
    expect(error.message).toContain('shop.orders')
    expect(error.message).toContain('limits.indexMemoryBytes')
    expect(error.context).toMatchObject({ limit: 'indexMemoryBytes', value: 2 ** 13 * 16 })
    errorOf('LIMIT_EXCEEDED', () => table.checkRoom(1))
    table.checkRoom(0)
    expect(table.generation).toBe(generation)
    expect(table.chunks).toEqual(before)
    errorOf('LIMIT_EXCEEDED', () => {
      new KeyTable({ codec: k8, limits, name: 't', expectedKeys: 4000 })
    })
    errorOf('LIMIT_EXCEEDED', () => {
      const huge = { ...limits, indexMemoryBytes: Number.MAX_SAFE_INTEGER }
      new KeyTable({ codec: k8, limits: huge, name: 't', expectedKeys: 2 ** 30 })
    })
  })

  it('makes room at once where the number of keys is known', () => {
    const table = new KeyTable({
      codec: k8,
      limits: DEFAULT_LIMITS,
      name: 't',
      expectedKeys: 100_000,
    })
    const { chunks } = table
    const kind = KINDS[0] as KeyKind
    const keys = Array.from({ length: 98_000 }, (_, key) => key)
    table.insert(keysOf(kind, keys), { fileId: 0, start: 0 })
    expect(table.chunks).toBe(chunks)
    expect(table.bytes).toBe(2 ** 18 * 16)
  })
})
