"""DuckDB with its iceberg extension, loaded by path."""
import glob
import os
import sys

import duckdb

from serve import *

connection = duckdb.connect(':memory:', config={'allow_unsigned_extensions': 'true'})
for name in ('avro', 'httpfs', 'iceberg'):
    found = glob.glob(os.path.join(sys.prefix, f'lib/python*/site-packages/duckdb_extension_{name}/extensions/*/{name}.duckdb_extension'))
    connection.execute(f"LOAD '{found[0]}'")
connection.execute("SET TimeZone = 'UTC'")
connection.execute('SET threads = 2')


def canonical(value, type_):
    if value is None:
        return None
    id_ = type_.id
    if id_ == 'struct':
        return {name: canonical(value[name], child) for name, child in type_.children}
    if id_ == 'list':
        return [canonical(v, type_.children[0][1]) for v in value]
    if id_ == 'map':
        key, item = type_.children[0][1], type_.children[1][1]
        pairs = value.items() if isinstance(value, dict) and not ('key' in value and 'value' in value and isinstance(value['key'], list)) else zip(value['key'], value['value'])
        return sorted_map([[canonical(k, key), canonical(v, item)] for k, v in pairs])
    if id_ in ('integer', 'bigint', 'smallint', 'tinyint', 'hugeint'):
        return str(value)
    if id_ == 'float':
        return number(value)
    if id_ == 'double':
        return number(value)
    if id_ == 'decimal':
        return format(value, 'f')
    if id_ == 'blob':
        return hexed(value)
    if id_ == 'uuid':
        return str(value)
    return value


def projected(column, type_):
    """SQL that hands temporal values over as integers or text: Python's own types lose range and digits."""
    quoted = '"' + column.replace('"', '""') + '"'
    id_ = type_.id
    if id_ in ('timestamp', 'timestamp with time zone'):
        return f'epoch_us({quoted})'
    if id_ == 'timestamp_ns':
        return f'epoch_ns({quoted})'
    if id_ == 'date':
        return f'({quoted} - DATE \'1970-01-01\')'
    if id_ == 'time':
        return f'strftime(DATE \'1970-01-01\' + {quoted}, \'%H:%M:%S.%f\')'
    return quoted


def temporal(value, type_):
    if value is None:
        return None
    id_ = type_.id
    if id_ == 'timestamp':
        return micros_text(value, False)
    if id_ == 'timestamp with time zone':
        return micros_text(value, True)
    if id_ == 'timestamp_ns':
        return nanos_text(value, False)
    if id_ == 'date':
        return (dt.date(1970, 1, 1) + dt.timedelta(days=value)).isoformat()
    if id_ == 'time':
        return value
    return canonical(value, type_)


def rows_of(sql):
    relation = connection.sql(sql)
    names, types = relation.columns, relation.types
    select = ', '.join(f'{projected(n, t)}' for n, t in zip(names, types))
    fetched = connection.execute(f'SELECT {select} FROM ({sql}) AS q').fetchall() if names else []
    return [{n: temporal(v, t) for n, t, v in zip(names, types, row)} for row in fetched]


def handle(request):
    op = request['op']
    for statement in request.get('before') or []:
        connection.execute(statement)
    if op == 'read':
        snapshot = f", snapshot_from_id => {request['snapshotId']}" if request.get('snapshotId') else ''
        columns = ', '.join('"' + c + '"' for c in request.get('columns') or []) or '*'
        where = f" WHERE {request['where']}" if request.get('where') else ''
        return rows_of(f"SELECT {columns} FROM iceberg_scan('{request['metadata']}'{snapshot}){where}")
    if op == 'sql':
        return rows_of(request['sql'])
    raise ValueError(f'unknown op {op}')


serve(handle)
