"""
The peers of the suite `upsert`: what bench/upsert.ts does, done by PyIceberg (its own upsert) and by DuckDB (MERGE INTO
through a REST catalog). Each changes one row before, as bench/upsert.ts does. Arguments: rows files batch work rest upserts merges.
`rest` is the catalog's URL or `none`; `work` a folder. Prints {"pyiceberg": {"ms": [...]} | null, "duckdb": {"ms": [...]} | {"error": "..."} | null}.
"""
import glob
import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.compute as pc

rows, files, batch = (int(a) for a in sys.argv[1:4])
work, rest = sys.argv[4:6]
upserts, merges = (int(a) for a in sys.argv[6:8])


def table_of(ids, round_):
    """The same rows as bench/upsert.ts makes."""
    id_ = pa.array(ids, pa.int64())
    i = id_.to_pylist()
    return pa.table({
        'id': id_,
        'c1': pc.add(id_, round_),
        'c2': pa.array([(k * 17) % 1000 for k in i], pa.int32()),
        'd0': pa.array([k / 3 + round_ for k in i], pa.float64()),
        'd1': pa.array([((k * 31) % 10_007) / 7 for k in i], pa.float64()),
        's0': pa.array([f'value-{k % 1000}' for k in i], pa.string()),
        's1': pa.array([f'key {(k * 7919) % 100_003}' for k in i], pa.string()),
        'at': pa.array([1_767_225_600_000_000 + k * 1000 for k in i], pa.timestamp('us', 'UTC')),
    })


def batches():
    """The same keys, in the same rounds, as bench/upsert.ts takes."""
    state, round_ = 12_345, 0
    while True:
        round_ += 1
        if batch == rows:
            yield table_of(range(rows), round_)
            continue
        keys = {}
        while len(keys) < batch:
            state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
            keys[state * rows >> 32] = True
        yield table_of(list(keys), round_)


def fill(catalog):
    catalog.create_namespace('bench')
    table = None
    each = rows // files
    for f in range(files):
        part = table_of(range(f * each, (f + 1) * each), 0)
        if table is None:
            table = catalog.create_table('bench.upserts', schema=part.schema, properties={'format-version': '2'})
        table.append(part)
    return table


def timed(times, change):
    change(table_of([0], -1))
    ms = []
    for _, changed in zip(range(times), batches()):
        started = time.perf_counter()
        change(changed)
        ms.append((time.perf_counter() - started) * 1000)
    return ms


def pyiceberg():
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog('peer', uri=f'sqlite:///{work}/catalog.db', warehouse=f'file://{work}/pyiceberg')
    table = fill(catalog)

    def change(changed):
        result = table.upsert(changed, join_cols=['id'])
        assert result.rows_updated == len(changed), result

    return {'ms': timed(upserts, change)}


def duckdb():
    import duckdb as duck
    from pyiceberg.catalog.rest import RestCatalog

    fill(RestCatalog('peer', uri=rest))
    connection = duck.connect(config={'allow_unsigned_extensions': 'true'})
    for name in ('avro', 'httpfs', 'iceberg'):
        found = glob.glob(os.path.join(sys.prefix, f'lib/python*/site-packages/duckdb_extension_{name}/extensions/*/{name}.duckdb_extension'))
        connection.execute(f"LOAD '{found[0]}'")
    connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH '' AS peer (TYPE iceberg, ENDPOINT '{rest}', AUTHORIZATION_TYPE 'none')")
    columns = [f'"{name}"' for name in table_of([], 0).column_names]
    merge = (
        'MERGE INTO peer.bench.upserts t USING changed s ON t.id = s.id '
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{c} = s.{c}' for c in columns[1:])} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({', '.join(f's.{c}' for c in columns)})"
    )

    def change(changed):
        connection.register('changed', changed)
        connection.execute(merge)

    try:
        ms = timed(merges, change)
        got = connection.execute('select count(*), count(*) filter (c1 <> id) from peer.bench.upserts').fetchone()
        assert got[0] == rows and got[1] >= batch, got
        return {'ms': ms}
    except (duck.Error, AssertionError) as error:
        return {'error': f'{type(error).__name__}: {error}'}


print(json.dumps({
    'pyiceberg': pyiceberg() if upserts > 0 else None,
    'duckdb': duckdb() if rest != 'none' and merges > 0 else None,
}))
