/** Options that callers without types have mistaken are refused by name, everywhere that options are taken. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Lake } from '../../src/index.ts'
import { openLake, openTable, schema, t } from '../../src/index.ts'
import { logSource, moveStream, openLog, stream } from '../../src/stream/index.ts'
import { kafkaSource } from '../../src/stream/sources/kafka/index.ts'
import { MemorySource } from '../stream/memory-source.ts'
import { errorOf, rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'

type Any = (...args: unknown[]) => unknown
const untyped = (f: unknown): Any => f as Any

let lake: Lake
beforeEach(async () => {
  lake = await memoryLake()
  await lake.createTable('x.a', schema({ n: t.int() }))
})

describe('options', () => {
  it('that do not exist are refused, with the nearest that does', async () => {
    const table = await lake.table('x.a')
    const kafka = { brokers: ['h:9092'], topics: 'a', groupId: 'g' }
    for (const [call, message] of [
      [() => untyped(openLake)('memory://y', { durabilty: 'os' }), 'Did you mean durability?'],
      [() => untyped(openTable)('memory://y', { root: [] }), 'Did you mean roots?'],
      [() => untyped(openLog)('/nowhere', { sync: true }), 'There are durability, runtime'],
      [
        async () => lake.createTable('x.b', schema({ n: t.int() }), { partitonBy: ['n'] } as never),
        'Did you mean partitionBy?',
      ],
      [async () => table.scan({ filter: { n: 1 } } as never), 'There are select, where'],
      [async () => untyped(logSource)({ log: {}, topic: 'a' }), 'Did you mean topics?'],
      [async () => untyped(kafkaSource)({ ...kafka, groupID: 'g' }), 'Did you mean groupId?'],
      [() => untyped(moveStream)({ lake, id: 's', form: [] }), 'There are lake, id, to'],
      [async () => untyped(schema)({ n: t.int() }, { keys: ['n'] }), 'Did you mean key?'],
      [
        async () => untyped(stream)({ lake, onProgres: () => undefined }),
        'Did you mean onProgress?',
      ],
      [() => untyped(openLake)('memory://y', 'os'), 'have to be an object'],
    ] as const) {
      const error = await rejectionOf('BAD_ARGUMENT', Promise.resolve().then(call))
      expect(error.message).toContain(message)
    }
  })

  it('may be given as undefined', async () => {
    await (await lake.table('x.a')).scan({ where: undefined, other: undefined } as never).count()
  })

  it('of a choice are refused where they are none of it: a misspelt durability is no weaker one', async () => {
    for (const call of [
      () => untyped(openLake)('memory://y', { durability: 'fync' }),
      () => untyped(openLog)('/nowhere', { durability: 'none' }),
    ]) {
      const error = await rejectionOf('BAD_ARGUMENT', Promise.resolve().then(call))
      expect(error.message).toContain("has to be 'fsync' or 'os'")
    }
  })

  it('of a stream without which there is none are asked for by name', () => {
    const good = { lake, id: 's', source: new MemorySource(1), foreachBatch: () => undefined }
    for (const [name, more] of [
      ['lake', { lake: undefined }],
      ['lake', { lake: 'x' }],
      ['id', { id: undefined }],
      ['source', { source: undefined }],
      ['foreachBatch', { foreachBatch: undefined }],
      ['expire', { expire: true }],
      ['keepLst', { expire: { keepLst: 1 } }],
      ['stopOn', { stopOn: ['SIGFOO'] }],
      ['trigger', { trigger: 'once' }],
      ['trigger', { trigger: { intervalMs: 1000, once: true } }],
    ] as const) {
      const error = errorOf('BAD_ARGUMENT', () => untyped(stream)({ ...good, ...more }))
      expect(error.message).toContain(name)
    }
  })

  it('of sources are checked before anything is opened', () => {
    for (const options of [
      { topics: 'a', groupId: 'g' },
      { brokers: 'h:9092', topics: 'a', groupId: 'g' },
      { brokers: ['h:9092'], groupId: 'g' },
      { brokers: ['h:9092'], topics: 'a' },
    ]) {
      errorOf('BAD_ARGUMENT', () => untyped(kafkaSource)(options))
    }
    errorOf('BAD_ARGUMENT', () => untyped(logSource)({ folder: '/nowhere' }))
  })

  it('of a table are refused by column and by option', async () => {
    const create = (literal: unknown, options: unknown = {}) =>
      Promise.resolve().then(() => untyped(lake.createTable.bind(lake))('x.c', literal, options))
    const column = await rejectionOf('BAD_SCHEMA', create(untyped(schema)({ n: 'long' })))
    expect(column.message).toContain('"n" has no type')
    await rejectionOf('BAD_SCHEMA', create({ n: 1 }))
    errorOf('BAD_SCHEMA', () => untyped(schema)({ n: t.int() }, { key: 'n' }))
    const literal = schema({ n: t.int() })
    const spec = await rejectionOf('BAD_PARTITION_SPEC', create(literal, { partitionBy: 'n' }))
    expect(spec.message).toContain('partitionBy')
    await rejectionOf('BAD_SORT_ORDER', create(literal, { sortBy: 'n' }))
    for (const name of ['write.data.path', 'write.metadata.path']) {
      await rejectionOf('BAD_ARGUMENT', create(literal, { properties: { [name]: 5 } }))
      const properties = { [name]: 'memory://elsewhere/x' }
      await rejectionOf('PATH_OUTSIDE_ROOT', create(literal, { properties }))
      await rejectionOf('PATH_OUTSIDE_ROOT', (await lake.table('x.a')).setProperties(properties))
    }
    expect(await lake.listTables()).toEqual(['x.a'])
  })
})
