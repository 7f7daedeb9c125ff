import { beforeAll, describe, expect, it } from 'vitest'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import type { ContentFile } from '../../../src/iceberg/manifest/entry.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import { TableScan } from '../../../src/iceberg/table/scan/table-scan.ts'
import type { EncodedKeys } from '../../../src/merge/index/key-codec.ts'
import { NO_FILE } from '../../../src/merge/index/key-table.ts'
import { PrimaryKeyIndex } from '../../../src/merge/index/primary-key-index.ts'
import { rowHashes } from '../../../src/merge/row-hash.ts'
import { FaultyStore, seededRandom } from '../../../src/testing/index.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { batchOf } from '../batches.ts'
import { COLUMNS, type Delta, World, type WorldRow } from './world.ts'

beforeAll(async () => {
  await loadArrow()
})

interface IndexOptions {
  readonly nullSafe?: boolean
  readonly hashed?: boolean
}

function indexOf(world: World, { nullSafe = false, hashed = false }: IndexOptions = {}) {
  const index = new PrimaryKeyIndex({
    env: world.env,
    name: 'x.t',
    fields: [{ name: 'k', type: { kind: 'long' }, idPath: [1] }],
    nullSafe,
    hashedIds: hashed ? [2] : undefined,
  })
  const catchUp = async (options: Parameters<PrimaryKeyIndex['catchUp']>[2] = {}) =>
    index.catchUp(world.state, await world.live(), options)
  return { index, catchUp }
}

const batch = (rows: readonly WorldRow[]) =>
  batchOf(
    COLUMNS,
    rows.map(({ k, v }) => ({ k, v })),
  )
const keysOf = (index: PrimaryKeyIndex, keys: readonly (bigint | null)[]): EncodedKeys =>
  index.codec.encode(batch(keys.map((k) => ({ k, v: '' }))))

/** Everything that the index says of the table, by key; places of duplicates in order. */
function contentOf(index: PrimaryKeyIndex, keys: readonly (bigint | null)[]) {
  const slots = index.table.probe(keysOf(index, keys))
  const { fileIds, positions } = index.table.locations(slots)
  const rowIds = index.explicitRowIds(fileIds, positions)
  const hashes = index.table.sideColumns === 0 ? undefined : index.table.side(0, slots)
  const found = new Map<bigint | null, string[]>()
  const hashOf = new Map<bigint | null, string>()
  slots.forEach((slot, i) => {
    const key = keys[i] as bigint | null
    if (slot < 0) return
    const places = [`${index.fileById(fileIds[i] as number).path}:${positions[i]}:${rowIds[i]}`]
    for (const { fileId, position } of index.duplicatesOf(slot)) {
      const [id] = index.explicitRowIds(Uint32Array.of(fileId), Uint32Array.of(position))
      places.push(`${index.fileById(fileId).path}:${position}:${id}`)
    }
    found.set(key, places.sort())
    if (hashes !== undefined) {
      hashOf.set(key, `${places[0]} ${hashes[2 * i]},${hashes[2 * i + 1]}`)
    }
  })
  return { found, slots, fileIds, positions, hashes }
}

/** The index is true of the table's current snapshot, by the model. */
function expectTrue(
  world: World,
  index: PrimaryKeyIndex,
  { nullSafe = false }: IndexOptions,
): void {
  const expected = new Map<bigint | null, string[]>()
  const rowAt = new Map<string, WorldRow>()
  for (const row of world.liveRows()) {
    rowAt.set(`${row.path}:${row.position}`, row)
    if (row.k === null && !nullSafe) continue
    const places = expected.get(row.k) ?? []
    places.push(`${row.path}:${row.position}:${row.id ?? -1n}`)
    expected.set(row.k, places)
  }
  for (const places of expected.values()) places.sort()
  const { found, slots, fileIds, positions, hashes } = contentOf(index, ALL_KEYS)
  expect(found).toEqual(new Map(ALL_KEYS.flatMap((k) => entry(k, expected.get(k)))))
  expect(index.table.size).toBe(expected.size)
  expect(index.duplicateKeys).toBe([...expected.values()].filter((p) => p.length > 1).length)
  expect(index.snapshotId).toBe(world.snapshotId)
  if (hashes === undefined) return
  slots.forEach((slot, i) => {
    if (slot < 0) return
    const at = `${index.fileById(fileIds[i] as number).path}:${positions[i]}`
    const hash = rowHashes(batch([rowAt.get(at) as WorldRow]), [2], index.seed)
    expect([hashes[2 * i], hashes[2 * i + 1]]).toEqual([...hash])
  })
}

const entry = (key: bigint | null, places: string[] | undefined) =>
  places === undefined ? [] : [[key, places] as const]

const SPACE = 60
const ALL_KEYS: readonly (bigint | null)[] = [
  null,
  ...Array.from({ length: SPACE }, (_, k) => BigInt(k) - 20n),
]

/** Random commits of all kinds, own ones and foreign ones, with the index caught up now and then. */
class Walk {
  readonly #random: () => number
  readonly #options: Required<IndexOptions>
  readonly #formatVersion: 2 | 3
  readonly #duplicates: boolean
  readonly #seed: number
  #world!: World
  #index!: PrimaryKeyIndex
  #catchUp!: ReturnType<typeof indexOf>['catchUp']
  #rows = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = seededRandom(seed)
    this.#formatVersion = this.#chance(0.5) ? 3 : 2
    this.#duplicates = this.#chance(0.4)
    this.#options = { nullSafe: this.#chance(0.3), hashed: this.#chance(0.5) }
  }

  async run(steps: number): Promise<void> {
    this.#world = await World.create({ formatVersion: this.#formatVersion, seed: this.#seed })
    const { index, catchUp } = indexOf(this.#world, this.#options)
    this.#index = index
    this.#catchUp = catchUp
    for (let step = 0; step < steps; step++) {
      await this.#pick([
        () => this.#append(),
        () => this.#append(),
        () => this.#delete(),
        () => this.#delete(),
        () => this.#removeFiles(),
        () => this.#rewrite(),
        () => this.#rollBack(),
        () => this.#upsert(),
        () => this.#upsert(),
        () => this.#upsert(),
        () => this.#abort(),
      ])()
      if (this.#chance(0.6)) await this.#check()
    }
    await this.#check()
  }

  async #check(): Promise<void> {
    await this.#catchUp()
    expectTrue(this.#world, this.#index, this.#options)
    expect((await this.#catchUp()).kind).toBe('current')
    // A fresh index of the same state agrees on everything that it counts.
    const fresh = indexOf(this.#world, this.#options)
    await fresh.catchUp()
    expectTrue(this.#world, fresh.index, this.#options)
  }

  /** Rows of keys that are not live, or of any where the table may have duplicates. */
  #newRows(count: number): WorldRow[] {
    const taken = new Set([...this.#world.liveRows()].map(({ k }) => k))
    const rows: WorldRow[] = []
    const stored = this.#formatVersion === 3 && this.#chance(0.3)
    for (let i = 0; i < count; i++) {
      const k = this.#pick(ALL_KEYS)
      const isFree = !taken.has(k) || (k === null && !this.#options.nullSafe)
      if (!isFree && !(this.#duplicates && this.#chance(0.3))) continue
      taken.add(k)
      const id = stored && this.#chance(0.5) ? { id: BigInt(this.#rows) } : {}
      rows.push({ k, v: `v${this.#rows++}`, ...id })
    }
    return rows
  }

  async #append(): Promise<void> {
    const added: ContentFile[] = []
    const all = this.#newRows(1 + this.#below(30))
    const cut = this.#below(all.length + 1)
    for (const rows of [all.slice(0, cut), all.slice(cut)]) {
      if (rows.length > 0) added.push(await this.#world.write(rows, 1 + this.#below(9)))
    }
    await this.#world.commit({ added })
  }

  /** Deletes rows here and there. */
  #foreignDeletes(rate: number): Map<string, number[]> {
    const deleted = new Map<string, number[]>()
    for (const { path, position } of this.#world.liveRows()) {
      if (!this.#chance(rate)) continue
      const list = deleted.get(path)
      if (list === undefined) deleted.set(path, [position])
      else list.push(position)
    }
    return deleted
  }

  async #delete(): Promise<void> {
    const deleted = this.#foreignDeletes(this.#pick([0.05, 0.2, 0.6]))
    if (deleted.size > 0) await this.#world.commit({ deleted })
  }

  async #removeFiles(): Promise<void> {
    const removed = [...this.#world.model.keys()].filter(() => this.#chance(0.3))
    if (removed.length > 0) await this.#world.commit({ removed })
  }

  /** As a compaction does: the live rows of some files in a new one. */
  async #rewrite(): Promise<void> {
    const removed = [...this.#world.model.keys()].filter(() => this.#chance(0.5))
    const rows = [...this.#world.liveRows()].filter(({ path }) => removed.includes(path))
    if (rows.length === 0) return
    await this.#world.commit({ removed, added: [await this.#world.write(rows)] })
  }

  async #rollBack(): Promise<void> {
    const { snapshots } = this.#world
    if (snapshots.length > 0) await this.#world.setTo(this.#pick(snapshots))
  }

  /** A catch-up that is aborted; whatever had been done, the next one must be right. */
  async #abort(): Promise<void> {
    const controller = new AbortController()
    const after = this.#below(4)
    let batches = 0
    const stop = (): void => {
      if (batches++ === after) controller.abort()
    }
    const outcome = await this.#catchUp({ signal: controller.signal, onProgress: stop }).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    expect(['done', 'ABORTED']).toContain(outcome)
    if (outcome === 'ABORTED') expect(this.#index.table.size).toBe(0)
  }

  /** An own commit: keys that are there get new rows or are deleted, others are added. It may fail, or be stale. */
  async #upsert(): Promise<void> {
    const world = this.#world
    const index = this.#index
    await this.#catchUp()
    const outcome = this.#pick(['made', 'made', 'made', 'failed', 'rebased', 'stale'] as const)
    const named = ALL_KEYS.filter(
      (k) => (k !== null || this.#options.nullSafe) && this.#chance(0.2),
    )
    const slots = index.table.probe(keysOf(index, named))
    const before = index.table.chunks.map((chunk) => chunk.slice())
    const counts = [index.bytes, index.snapshotId, index.duplicateKeys]
    const { generation } = index.table

    const stage = index.stage()
    const deleted = new Map<string, number[]>()
    const removals: number[] = []
    const moves: number[] = []
    const inserted: number[] = []
    const isCopied = this.#chance(0.3)
    named.forEach((_, i) => {
      const slot = slots[i] as number
      if (slot < 0) {
        inserted.push(i)
        return
      }
      const places = [locationOf(index, slot), ...index.duplicatesOf(slot)]
      // Of duplicates either all are replaced, or just the one that the slot names.
      for (const { fileId, position } of places.slice(0, this.#chance(0.7) ? places.length : 1)) {
        const { path } = index.fileById(fileId)
        deleted.set(path, [...(deleted.get(path) ?? []), position])
      }
      if (this.#chance(0.3)) removals.push(i)
      else moves.push(i)
    })
    const rewritten = this.#chance(0.3) ? [...deleted.keys()].filter(() => this.#chance(0.5)) : []
    const kept = [...world.liveRows()].filter(
      ({ path, position }) => rewritten.includes(path) && !deleted.get(path)?.includes(position),
    )
    const written = [...moves, ...inserted].map((i): WorldRow => {
      const id = this.#formatVersion === 3 && moves.includes(i) ? { id: BigInt(900 + i) } : {}
      return { k: named[i] as bigint | null, v: `v${this.#rows++}`, ...id }
    })
    // Rows that are copied have the keys that they had; rows with a null key have none.
    const rows = [...written, ...kept]
    const files: ContentFile[] = []
    if (rows.length > 0) {
      const file = await world.write(rows)
      files.push(file)
      const rowIds = BigInt64Array.from(rows, (row) => row.id ?? -1n)
      const recordCount = rows.length
      const fileId = stage.addFile({ path: file.filePath, recordCount, rowIds })
      const hashes = rowHashes(batch(rows), [2], index.seed)
      const side = (from: number, to: number) =>
        index.table.sideColumns === 0 ? [] : [hashes.slice(2 * from, 2 * to)]
      const upTo = (from: number, to: number) =>
        Uint32Array.from({ length: to - from }, (_, i) => from + i)
      const slotsOf = (list: readonly number[]) => Int32Array.from(list, (i) => slots[i] as number)
      stage.move(slotsOf(moves), fileId, upTo(0, moves.length), side(0, moves.length))
      const keys = keysOf(index, named)
      stage.insert(keys, fileId, upTo(moves.length, written.length), {
        rows: Int32Array.from(inserted),
        side: side(moves.length, written.length),
      })
      const copied = keysOf(
        index,
        kept.map(({ k }) => k),
      )
      stage.insert(copied, fileId, upTo(written.length, rows.length), {
        side: side(written.length, rows.length),
      })
      keys.words.fill(7)
      copied.words.fill(7)
      rowIds.fill(7n)
    }
    // A key that is deleted may be left to the positions that go.
    if (isCopied) stage.remove(Int32Array.from(removals, (i) => slots[i] as number))
    else if (removals.some((i) => index.duplicatesOf(slots[i] as number).length > 0)) {
      stage.remove(Int32Array.from(removals, (i) => slots[i] as number))
    }
    for (const path of rewritten) stage.removeFile(path)
    for (const [path, list] of deleted) {
      if (!rewritten.includes(path)) stage.deleted(path, PositionBitmap.of(list))
    }

    // MG-36: nothing has changed before the commit is made.
    expect(index.table.chunks).toEqual(before)
    expect([index.bytes, index.snapshotId, index.duplicateKeys]).toEqual(counts)
    expect([index.table.generation, stage.valid]).toEqual([generation, true])
    if (outcome === 'failed' || (rows.length === 0 && deleted.size === 0)) return
    const parent = world.snapshotId
    if (outcome === 'stale') {
      const foreign = [...world.liveRows()].find(({ path }) => !rewritten.includes(path))
      if (foreign === undefined) return
      await world.commit({ deleted: new Map([[foreign.path, [foreign.position]]]) })
      await this.#catchUp()
      expect(stage.valid).toBe(false)
      expect(stage.apply(1n)).toBe(false)
      // The index is true of what it was brought to meanwhile; what was committed is read next.
      expect(index.snapshotId).toBe(world.snapshotId)
      return
    }
    if (outcome === 'rebased') {
      // Others have added rows meanwhile, and the commit was made on top of them.
      const taken = new Set(named)
      const others = this.#newRows(8).filter(({ k }) => !taken.has(k))
      if (others.length > 0) await world.commit({ added: [await world.write(others)] })
    }
    const delta: Delta = {
      added: files,
      removed: rewritten,
      deleted: new Map([...deleted].filter(([path]) => !rewritten.includes(path))),
    }
    const parentNow = world.snapshotId
    const snapshotId = await world.commit(delta)
    expect(stage.apply(snapshotId, parentNow)).toBe(true)
    expect(stage.valid).toBe(false)
    expect(index.snapshotId).toBe(parentNow === parent ? snapshotId : undefined)
    if (parentNow === parent) expectTrue(world, index, this.#options)
    else expect((await this.#catchUp()).kind).toBe('caught-up')
    expectTrue(world, index, this.#options)
  }

  #chance(p: number): boolean {
    return this.#random() < p
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T
  }
}

function locationOf(index: PrimaryKeyIndex, slot: number): { fileId: number; position: number } {
  const { fileIds, positions } = index.table.locations(Int32Array.of(slot))
  return { fileId: fileIds[0] as number, position: positions[0] as number }
}

/** FLOE_INDEX_SEED=n replays one walk, FLOE_INDEX_WALKS=n makes so many. */
const replayed = process.env['FLOE_INDEX_SEED']
const walks = Number(process.env['FLOE_INDEX_WALKS'] ?? 30)

describe('the primary-key index', () => {
  it('is true of every state that it is brought to, whoever made it and however (MG-24, MG-29, MG-36)', async () => {
    const seeds =
      replayed === undefined ? Array.from({ length: walks }, (_, i) => i + 1) : [Number(replayed)]
    for (const seed of seeds) {
      try {
        await new Walk(seed).run(14)
      } catch (error) {
        if (error instanceof Error) error.message = `FLOE_INDEX_SEED=${seed}: ${error.message}`
        throw error
      }
    }
  }, 600_000)
})

const rowsFrom = (from: number, to: number): WorldRow[] =>
  Array.from({ length: to - from }, (_, i) => ({ k: BigInt(from + i), v: `v${from + i}` }))

describe('a catch-up', () => {
  it('says what it did, and reads what it must and no more', async () => {
    const world = await World.create({ formatVersion: 3 })
    const { index, catchUp } = indexOf(world)
    expect(index.snapshotId).toBeUndefined()
    const seen: unknown[] = []
    expect(await catchUp({ onProgress: (p) => seen.push(p) })).toMatchObject({
      kind: 'built',
      filesRead: 0,
    })
    expect(index.snapshotId).toBeNull()
    const [a, b] = [await world.write(rowsFrom(0, 10)), await world.write(rowsFrom(10, 20), 5)]
    const first = await world.commit({ added: [a, b] })
    const onProgress = (p: unknown): unknown => seen.push(p)
    expect(await catchUp({ onProgress })).toMatchObject({
      kind: 'caught-up',
      filesRead: 2,
      rowsRead: 20,
      filesRemoved: 0,
    })
    expect(seen).toEqual([7, 10, 15, 20].map((rows) => ({ rows, totalRows: 20 })))
    await world.commit({ deleted: new Map([[a.filePath, [3, 4]]]) })
    // Deletes by position cost no read of data.
    expect(await catchUp()).toMatchObject({ kind: 'caught-up', filesRead: 0, filesRemoved: 0 })
    expect(index.table.size).toBe(18)
    // Rows that are back have to be read.
    await world.setTo(first)
    expect(await catchUp()).toMatchObject({ kind: 'caught-up', filesRead: 1, filesRemoved: 1 })
    expectTrue(world, index, {})
    expect(await catchUp()).toMatchObject({ kind: 'current', filesRead: 0 })
    expect(index.fileByPath(a.filePath)).toMatchObject({ path: a.filePath, recordCount: 10 })
    expect(index.fileByPath('nowhere')).toBeUndefined()
    expect(() => index.fileById(99)).toThrow('ASSERTION_FAILED')
    index.clear()
    expect([index.snapshotId, index.table.size]).toEqual([undefined, 0])
    expect(await catchUp()).toMatchObject({ kind: 'built', filesRead: 2, rowsRead: 20 })
  })

  it('knows own deletes again by what they delete, whatever their files are called', async () => {
    for (const formatVersion of [2, 3] as const) {
      const world = await World.create({ formatVersion })
      const { index, catchUp } = indexOf(world)
      const a = await world.write(rowsFrom(0, 10))
      await world.commit({ added: [a] })
      await catchUp()
      const stage = index.stage()
      stage.remove(index.table.probe(keysOf(index, [2n, 5n])))
      stage.deleted(a.filePath, PositionBitmap.of([2]))
      stage.deleted(a.filePath, PositionBitmap.of([5]))
      const own = await world.commit({ deleted: new Map([[a.filePath, [2, 5]]]) })
      expect(stage.apply(own)).toBe(true)
      await world.commit({ added: [await world.write(rowsFrom(20, 22))] })
      expect(await catchUp()).toMatchObject({ kind: 'caught-up', filesRead: 1, filesRemoved: 0 })
      expectTrue(world, index, {})
    }
  })

  it('remembers what was deleted before own deletes, too', async () => {
    const world = await World.create({ formatVersion: 3 })
    const { index, catchUp } = indexOf(world)
    const a = await world.write(rowsFrom(0, 10))
    const first = await world.commit({ added: [a] })
    const other = await world.commit({ deleted: new Map([[a.filePath, [5]]]) })
    await world.setTo(first)
    await world.commit({ deleted: new Map([[a.filePath, [2]]]) })
    await catchUp()
    const stage = index.stage()
    stage.deleted(a.filePath, PositionBitmap.of([5]))
    expect(stage.apply(await world.commit({ deleted: new Map([[a.filePath, [5]]]) }))).toBe(true)
    expectTrue(world, index, {})
    // There, the row at 2 is live.
    await world.setTo(other)
    await catchUp()
    expectTrue(world, index, {})
  })

  it('is bounded by indexMemoryBytes, slots, row ids and duplicates together', async () => {
    const limits = { indexMemoryBytes: 16 * 1024 }
    const full = await World.create({ formatVersion: 3, limits })
    await full.commit({ added: [await full.write(rowsFrom(0, 800), 800)] })
    const { index, catchUp } = indexOf(full)
    const error = await rejectionOf('LIMIT_EXCEEDED', catchUp())
    expect(error.context['limit']).toBe('indexMemoryBytes')
    expect(index.snapshotId).toBeUndefined()

    // 512 slots are 8 KiB. With row ids for 900 rows it is too much, and so it is with 90 duplicates.
    const rows = rowsFrom(0, 350)
    for (const more of [
      Array.from({ length: 900 }, (_, i) => ({ k: null, v: '', id: BigInt(i) })),
      Array.from({ length: 90 }, (_, i) => ({ k: 1n, v: `${i}` })),
    ]) {
      const world = await World.create({ formatVersion: 3, limits })
      await world.commit({ added: [await world.write(rows, 350)] })
      const own = indexOf(world)
      await own.catchUp()
      expect(own.index.bytes).toBe(512 * 16)
      const parent = world.snapshotId as bigint
      const file = await world.write(more, 1000)
      const stage = own.index.stage()
      if (more.length === 900) {
        const rowIds = new BigInt64Array(900 + 200).fill(1n)
        const added = { path: 'memory://lake/x/t/data/n', recordCount: 1100, rowIds }
        expect(() => stage.addFile(added)).toThrow('LIMIT_EXCEEDED')
      }
      await world.commit({ added: [file] })
      if (more.length === 900) {
        // Rows without a key have row ids too: 7,200 bytes of them fit, once.
        await own.catchUp()
        expect(own.index.bytes).toBe(512 * 16 + 900 * 8)
        await world.commit({ added: [await world.write(more, 1000)] })
      }
      await rejectionOf('LIMIT_EXCEEDED', own.catchUp())
      expect([own.index.snapshotId, own.index.table.size]).toEqual([undefined, 0])
      await world.setTo(parent)
      expect((await own.catchUp()).kind).toBe('built')
      expectBase(own.index)
    }
  })

  it('leaves an empty index when it is aborted or a file is damaged, and the next one builds it', async () => {
    let store: FaultyStore | undefined
    const world = await World.create({
      formatVersion: 2,
      wrap: (inner) => {
        store = new FaultyStore(inner, { name: 'index', runtime: { now: () => 0 } as never })
        return store
      },
    })
    const { index, catchUp } = indexOf(world)
    await world.commit({ added: [await world.write(rowsFrom(0, 20))] })
    await catchUp()
    const damaged = await world.write(rowsFrom(20, 40), 5)
    await world.commit({ added: [await world.write(rowsFrom(-20, 0), 5), damaged] })
    const controller = new AbortController()
    let batches = 0
    const aborted = catchUp({
      signal: controller.signal,
      onProgress: () => {
        if (++batches === 3) controller.abort()
      },
    })
    await rejectionOf('ABORTED', aborted)
    expect(batches).toBe(3)
    expect([index.snapshotId, index.table.size, index.bytes]).toEqual([undefined, 0, 64 * 16])
    expect(() => index.stage()).toThrow('ASSERTION_FAILED')

    const whole = await world.env.store.get(damaged.filePath)
    const bytes = whole.slice()
    bytes.fill(0xff, 4, 200)
    await world.env.store.delete([damaged.filePath])
    await world.env.store.put(damaged.filePath, bytes)
    const failure = await catchUp().catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'invalid-data' })
    expect([index.snapshotId, index.table.size]).toEqual([undefined, 0])
    await world.env.store.delete([damaged.filePath])
    await world.env.store.put(damaged.filePath, whole)
    expect((await catchUp()).kind).toBe('built')
    expectTrue(world, index, {})
  })

  it('builds anew for another table of the same name and for other types of its columns', async () => {
    const world = await World.create({ formatVersion: 2 })
    const { index } = indexOf(world)
    await world.commit({ added: [await world.write(rowsFrom(0, 5))] })
    const live = await world.live()
    await index.catchUp(world.state, live)
    const { metadata } = world.state
    const other = { ...world.state, metadata: { ...metadata, tableUuid: 'another' } }
    expect((await index.catchUp(other, live)).kind).toBe('built')
    const upgraded = { ...other, metadata: { ...other.metadata, formatVersion: 3 as const } }
    expect((await index.catchUp(upgraded, live)).kind).toBe('built')
    expect((await index.catchUp(upgraded, live)).kind).toBe('current')
    const keyless = new PrimaryKeyIndex({
      env: world.env,
      name: 'x.t',
      fields: [{ name: 'gone', type: { kind: 'long' }, idPath: [9] }],
      nullSafe: false,
      hashedIds: undefined,
    })
    await rejectionOf('NO_SUCH_COLUMN', keyless.catchUp(world.state, live))
  })

  it('starts again when the index is cleared under it', async () => {
    const world = await World.create({ formatVersion: 2 })
    const { index, catchUp } = indexOf(world)
    await world.commit({ added: [await world.write(rowsFrom(0, 30), 5)] })
    let batches = 0
    const result = await catchUp({
      onProgress: () => {
        if (++batches === 2) index.clear()
      },
    })
    expect(result).toMatchObject({ kind: 'built', rowsRead: 30 })
    expectTrue(world, index, {})
  })

  it('compares again when own changes are applied while it compares', async () => {
    const world = await World.create({ formatVersion: 3 })
    const { index, catchUp } = indexOf(world)
    const a = await world.write(rowsFrom(0, 10))
    await world.commit({ added: [a] })
    await catchUp()
    const stage = index.stage()
    stage.remove(index.table.probe(keysOf(index, [3n])))
    stage.deleted(a.filePath, PositionBitmap.of([3]))
    const parent = await world.commit({ added: [await world.write(rowsFrom(10, 20))] })
    const [before, live] = [world.state, await world.live()]
    const own = await world.commit({ deleted: new Map([[a.filePath, [3]]]) })
    let applied: boolean | undefined
    const watched = Object.create(live, {
      deletesOf: {
        value: (file: Parameters<typeof live.deletesOf>[0]) => {
          queueMicrotask(() => {
            applied ??= stage.apply(own, parent)
          })
          return live.deletesOf(file)
        },
      },
    }) as typeof live
    expect((await index.catchUp(before, watched)).kind).toBe('caught-up')
    expect(applied).toBe(true)
    // Of the state before, to which it was brought, and then of the one after.
    expect([index.snapshotId, index.table.size]).toEqual([parent, 20])
    await catchUp()
    expectTrue(world, index, {})
    expect(index.table.size).toBe(19)
  })

  it('refuses a file with more rows than its manifest says: whether rows are left of it is decided by that', async () => {
    const world = await World.create({ formatVersion: 2 })
    const file = await world.write(rowsFrom(0, 10), 4)
    await world.commit({ added: [{ ...file, recordCount: 9 }] })
    const error = await rejectionOf('CORRUPT_MANIFEST', indexOf(world).catchUp())
    expect(error.context['file']).toBe(file.filePath)
  })

  it('MG-29: gives the row ids that files store, as a scan of the table does', async () => {
    const world = await World.create({ formatVersion: 3 })
    const stored = rowsFrom(0, 20).map((row, i) =>
      i % 3 === 0 ? row : { ...row, id: BigInt(500 + i) },
    )
    await world.commit({
      added: [await world.write(rowsFrom(20, 25)), await world.write(stored, 6)],
    })
    const { index, catchUp } = indexOf(world)
    await catchUp()
    const scan = new TableScan(world.env, world.state, { select: ['k', '_row_id'] })
    const scanned = new Map((await scan.toArray()).map((row) => [row['k'], row['_row_id']]))
    const keys = [...rowsFrom(0, 26)].map(({ k }) => k)
    const { fileIds, positions } = index.table.locations(index.table.probe(keysOf(index, keys)))
    expect(fileIds[25]).toBe(NO_FILE)
    const { data } = await world.live()
    const ids = index.explicitRowIds(fileIds, positions)
    expect(ids[25]).toBe(-1n)
    const found = keys.slice(0, 25).map((key, i) => {
      if ((ids[i] as bigint) >= 0n) return [key, ids[i]]
      const { path } = index.fileById(fileIds[i] as number)
      const first = data.get(path)?.entry.file.firstRowId as bigint
      return [key, first + BigInt(positions[i] as number)]
    })
    expect(new Map(found as [bigint, bigint][])).toEqual(scanned)
    expect([...ids].filter((id) => id >= 0n)).toHaveLength(13)
  })
})

function expectBase(index: PrimaryKeyIndex): void {
  expect(index.table.size).toBe(350)
  expect(index.duplicateKeys).toBe(0)
}

describe('staged changes of an index', () => {
  it('are void after any other commit was taken in, though no slot has changed', async () => {
    const world = await World.create({ formatVersion: 2 })
    const { index, catchUp } = indexOf(world)
    const file = await world.write([{ k: null, v: 'no key' }])
    await world.commit({ added: [file] })
    await catchUp()
    const stage = index.stage()
    await world.commit({ removed: [file.filePath] })
    await catchUp()
    expect([index.table.size, stage.valid]).toEqual([0, false])
    expect(() => stage.addFile({ path: 'p', recordCount: 1 })).toThrow('ASSERTION_FAILED')
    expect(stage.apply(1n)).toBe(false)
  })

  it('that contradict themselves empty the index instead of throwing after a commit', async () => {
    const world = await World.create({ formatVersion: 2 })
    const { index, catchUp } = indexOf(world)
    const file = await world.write(rowsFrom(0, 10))
    await world.commit({ added: [file] })
    await catchUp()
    const stage = index.stage()
    expect(() => stage.addFile({ path: file.filePath, recordCount: 1 })).toThrow('ASSERTION_FAILED')
    expect(() => stage.removeFile('nowhere')).toThrow('ASSERTION_FAILED')
    expect(() => stage.deleted('nowhere', PositionBitmap.of([1]))).toThrow('ASSERTION_FAILED')
    expect(() => stage.move(Int32Array.of(), 77, Uint32Array.of())).toThrow('ASSERTION_FAILED')
    expect(() => stage.remove(Int32Array.of(-1))).toThrow('ASSERTION_FAILED')
    const slots = index.table.probe(keysOf(index, [4n]))
    stage.remove(slots)
    stage.remove(slots)
    stage.deleted(file.filePath, PositionBitmap.of([4]))
    expect(stage.apply(9n)).toBe(false)
    expect([index.snapshotId, index.table.size]).toEqual([undefined, 0])
    expect((await catchUp()).kind).toBe('built')
  })

  it('MG-28: forget files of which no row is left, so that a table that only we write does not fill memory', async () => {
    const world = await World.create({ formatVersion: 3 })
    const { index, catchUp } = indexOf(world)
    const rows = [...rowsFrom(0, 3), { k: null, v: 'no key' }]
    const file = await world.write(rows.map((row, i) => ({ ...row, id: BigInt(i) })))
    await world.commit({ added: [file] })
    await catchUp()
    expect(index.bytes).toBe(64 * 16 + 4 * 8)
    const next = await world.write(rowsFrom(0, 3))
    const stage = index.stage()
    const fileId = stage.addFile({ path: next.filePath, recordCount: 3 })
    stage.move(index.table.probe(keysOf(index, [0n, 1n, 2n])), fileId, Uint32Array.of(0, 1, 2))
    stage.deleted(file.filePath, PositionBitmap.of([0, 1, 2, 3]))
    const deleted = new Map([[file.filePath, [0, 1, 2, 3]]])
    expect(stage.apply(await world.commit({ added: [next], deleted }))).toBe(true)
    expect(index.fileByPath(file.filePath)).toBeUndefined()
    expect(index.bytes).toBe(64 * 16)
    expectTrue(world, index, {})
  })

  it('give ids of files that are gone to new ones, in the order that was promised', async () => {
    const world = await World.create({ formatVersion: 2 })
    const { index, catchUp } = indexOf(world)
    const files = [await world.write(rowsFrom(0, 4)), await world.write(rowsFrom(4, 8))]
    await world.commit({ added: files })
    await catchUp()
    const [first] = files as [ContentFile]
    await world.commit({ removed: [first.filePath] })
    await catchUp()
    const stage = index.stage()
    const ids = [0, 1, 2].map((i) => stage.addFile({ path: `p${i}`, recordCount: 1 }))
    expect(ids).toEqual([0, 2, 3])
    expect(index.stage().addFile({ path: 'p', recordCount: 1 })).toBe(0)
    ids.forEach((id, i) => {
      stage.insert(keysOf(index, [BigInt(i)]), id, Uint32Array.of(0))
    })
    expect(stage.apply(5n)).toBe(true)
    expect(ids.map((id) => index.fileById(id).path)).toEqual(['p0', 'p1', 'p2'])
  })
})
