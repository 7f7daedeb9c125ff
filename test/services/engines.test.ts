/** The harness itself: engines read tables that other engines wrote, with equal rows. */
import { describe, expect, it } from 'vitest'
import { openTable } from '../../src/index.ts'
import { compareRows, rowsFromFloe } from './canonical.ts'
import { ENGINES, post, read, sparkSql, WORK } from './client.ts'

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
