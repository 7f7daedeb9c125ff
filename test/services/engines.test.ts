/** The harness itself: engines read tables that other engines wrote, with equal rows. */
import { describe, expect, it } from 'vitest'
import { openTable } from '../../src/index.ts'
import { compareRows, rowsFromFloe } from './canonical.ts'
import { ENGINES, post, read, sparkSql, trino, WORK } from './client.ts'

const spark = ENGINES.includes('spark')

describe.runIf(spark)('tables that Spark wrote', () => {
  for (const version of [2, 3]) {
    it(`v${version}: every type, read by all engines and by floe`, async () => {
      const conf = {
        'spark.sql.catalog.w': 'org.apache.iceberg.spark.SparkCatalog',
        'spark.sql.catalog.w.type': 'hadoop',
        'spark.sql.catalog.w.warehouse': `file://${WORK}/spark-wh`,
        'spark.sql.catalog.w.cache-enabled': 'false',
      }
      const name = `w.db.types${version}`
      await sparkSql(
        `CREATE TABLE ${name} (i int, l bigint, f float, d double, b boolean, dec decimal(20,3), dt date, ts timestamp, tn timestamp_ntz, s string, bin binary, st struct<a:int,b:string>, li array<bigint>, m map<string,int>) USING iceberg TBLPROPERTIES ('format-version'='${version}')`,
        conf,
      )
      await sparkSql(
        `INSERT INTO ${name} VALUES
          (1, 9007199254740993, 1.5, 0.1, true, 12345678901234567.890, date'1969-12-31', timestamp'1969-12-31T23:59:59.999999Z', timestamp_ntz'2020-02-29 12:00:00.000001', 'größe 😀', X'00ff', named_struct('a', 1, 'b', 'x'), array(1, null), map('k', 1)),
          (null, null, float('NaN'), double('NaN'), null, null, null, null, null, null, null, null, null, null),
          (-2147483648, -9223372036854775808, -0.0, double('-Infinity'), false, -0.001, date'9999-12-31', timestamp'2026-01-01T00:00:00Z', timestamp_ntz'1582-01-01 00:00:00', '', X'', named_struct('a', null, 'b', null), array(), map())`,
      )
      const [log] = await sparkSql(
        `SELECT file FROM ${name}.metadata_log_entries ORDER BY timestamp DESC, file DESC LIMIT 1`,
      )
      const metadata = `file://${String(log?.['file']).replace(/^file:(\/\/)?/, '')}`
      const expected = await read('spark', { metadata })
      expect(expected).toHaveLength(3)
      for (const engine of ENGINES) {
        expect(compareRows(expected, await read(engine, { metadata })), engine).toBeNull()
      }
      const table = await openTable(metadata)
      const rows = await table.scan().toArray({ form: 'json' })
      expect(compareRows(expected, rowsFromFloe(rows, table.schema.fields)), 'floe').toBeNull()
      expect((await table.fsck({ data: 'all' })).problems).toEqual([])
      await table.close()
    })
  }
})

describe.runIf(ENGINES.includes('pyiceberg'))('tables that PyIceberg wrote', () => {
  it('v2: partitioned, read by all engines and by floe', async () => {
    const metadata = (await post('pyiceberg', {
      op: 'run',
      work: WORK,
      code: `
from pyiceberg.schema import Schema
from pyiceberg.types import *
from pyiceberg.partitioning import PartitionSpec, PartitionField
from pyiceberg.transforms import DayTransform, IdentityTransform
import os
work = request['work'] + '/pyiceberg'
os.makedirs(work, exist_ok=True)
c = SqlCatalog('p', uri='sqlite:///' + work + '/catalog.db', warehouse='file://' + work)
c.create_namespace_if_not_exists('db')
schema = Schema(NestedField(1, 'id', LongType(), required=False), NestedField(2, 'ts', TimestamptzType(), required=False), NestedField(3, 'region', StringType(), required=False))
spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), 'ts_day'), PartitionField(3, 1001, IdentityTransform(), 'region'))
t = c.create_table('db.events', schema=schema, partition_spec=spec)
arrow = pa.table({'id': pa.array([1, 2, 3], pa.int64()), 'ts': pa.array([0, -1, 1700000000000000], pa.timestamp('us', 'UTC')), 'region': pa.array(['eu', None, 'a/b c'])})
t.append(arrow)
t.append(arrow)
result = t.metadata_location
`,
    })) as string
    const expected = await read('pyiceberg', { metadata })
    expect(expected).toHaveLength(6)
    for (const engine of ENGINES) {
      expect(compareRows(expected, await read(engine, { metadata })), engine).toBeNull()
    }
    const table = await openTable(metadata)
    const rows = await table
      .scan({ where: { ts: { lt: '1970-01-02T00:00:00Z' } } })
      .toArray({ form: 'json' })
    expect(rows).toHaveLength(4)
    const all = await table.scan().toArray({ form: 'json' })
    expect(compareRows(expected, rowsFromFloe(all, table.schema.fields)), 'floe').toBeNull()
    await table.close()
  })
})

describe.runIf(ENGINES.includes('trino'))('tables that Trino wrote', () => {
  for (const version of [2, 3]) {
    it(`v${version}: partitioned, several inserts, read by all engines and by floe`, async () => {
      const table = `floe.written.t${version}`
      await trino(
        `CREATE SCHEMA IF NOT EXISTS floe.written WITH (location = 'file://${WORK}/trino-wh/written')`,
      )
      await trino(
        `CREATE TABLE ${table} (id bigint, n integer, x double, r real, ok boolean, d decimal(20, 4), day date, tm time(6), ts timestamp(6), tz timestamp(6) with time zone, s varchar, b varbinary, u uuid, a array(integer), m map(varchar, bigint), st row(p integer, q varchar))
         WITH (format = 'PARQUET', format_version = ${version}, partitioning = ARRAY['month(day)', 'bucket(id, 4)'])`,
      )
      for (const from of [1, 4]) {
        await trino(
          `INSERT INTO ${table} SELECT id, cast(id as integer) * -7, nan(), real '1.25', id % 2 = 0, decimal '1234567890123456.7891', date '1969-12-31' + interval '30' day * id, time '23:59:59.999999', timestamp '1969-12-31 23:59:59.999999', timestamp '2026-11-24 12:00:00.000001 UTC', 'größe 😀 ' || cast(id as varchar), x'00ff', uuid '12151fd2-7586-11e9-8f9e-2a86e4085a59', array[1, null, 3], map(array['k'], array[bigint '9007199254740993']), cast(row(1, 'q') as row(p integer, q varchar)) FROM unnest(sequence(${from}, ${from + 2})) AS t(id)`,
        )
      }
      await trino(`INSERT INTO ${table} (id) VALUES (100)`)
      const [log] = await trino(
        `SELECT file FROM floe.written."t${version}$metadata_log_entries" ORDER BY timestamp DESC LIMIT 1`,
      )
      const metadata = String(log?.['file'])
      const expected = await trino(`SELECT * FROM ${table}`)
      expect(expected).toHaveLength(7)
      // Spark has no time type: it reads the rest.
      const withoutTime = Object.keys(expected[0] ?? {}).filter((name) => name !== 'tm')
      for (const engine of ENGINES) {
        if (engine === 'spark') {
          await expect(read(engine, { metadata })).rejects.toThrow(/time/i)
          continue
        }
        expect(compareRows(expected, await read(engine, { metadata })), engine).toBeNull()
      }
      const floe = await openTable(metadata)
      const rows = await floe.scan().toArray({ form: 'json' })
      expect(compareRows(expected, rowsFromFloe(rows, floe.schema.fields)), 'floe').toBeNull()
      const some = await floe
        .scan({ where: { day: { gte: '1970-03-01' }, id: { lt: 100 } }, select: withoutTime })
        .toArray()
      expect(some).toHaveLength(5)
      expect((await floe.fsck({ data: 'all' })).problems).toEqual([])
      await floe.close()
    })
  }
})
