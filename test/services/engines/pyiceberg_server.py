"""PyIceberg: reads tables by metadata location; writes v2 tables through its SQL catalog."""
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

from serve import *


def canonical(array, type_):
    """Canonical values of an arrow array, exactly, without Python objects that lose digits."""
    if pa.types.is_null(type_):
        return [None] * len(array)
    if pa.types.is_dictionary(type_):
        return canonical(array.dictionary_decode(), type_.value_type)
    if pa.types.is_struct(type_):
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        columns = {f.name: canonical(array.field(i), f.type) for i, f in enumerate(type_)}
        valid = array.is_valid().to_pylist()
        offset_ok = [{k: v[i] for k, v in columns.items()} for i in range(len(array))]
        return [row if ok else None for row, ok in zip(offset_ok, valid)]
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return [None if s.as_py() is None else canonical(s.values, type_.value_type) for s in array]
    if pa.types.is_map(type_):
        out = []
        for s in array:
            if s.as_py() is None:
                out.append(None)
                continue
            entries = s.values
            keys = canonical(entries.field(0), type_.key_type)
            values = canonical(entries.field(1), type_.item_type)
            out.append(sorted_map([list(p) for p in zip(keys, values)]))
        return out
    if pa.types.is_timestamp(type_) or pa.types.is_time64(type_):
        ints = array.cast(pa.int64()).to_pylist()
        if pa.types.is_time64(type_):
            return [None if v is None else time_text((EPOCH + dt.timedelta(microseconds=v))) for v in ints]
        utc = type_.tz is not None
        text = nanos_text if type_.unit == 'ns' else micros_text
        return [None if v is None else text(v, utc) for v in ints]
    values = array.to_pylist()
    if pa.types.is_boolean(type_):
        return values
    if pa.types.is_integer(type_):
        return [None if v is None else str(v) for v in values]
    if pa.types.is_floating(type_):
        return [None if v is None else number(v) for v in values]
    if pa.types.is_decimal(type_):
        return [None if v is None else format(v, 'f') for v in values]
    if pa.types.is_date(type_):
        return [None if v is None else v.isoformat() for v in values]
    if isinstance(type_, pa.BaseExtensionType) or str(type_) == 'extension<arrow.uuid>':
        return [None if v is None else str(v) if isinstance(v, uuid.UUID) else str(uuid.UUID(bytes=v)) for v in values]
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return values
    return [None if v is None else str(v) if isinstance(v, uuid.UUID) else hexed(v) for v in values]


EPOCH = dt.datetime(1970, 1, 1)


def rows_of(table):
    columns = [canonical(table.column(i), f.type) for i, f in enumerate(table.schema)]
    names = table.schema.names
    return [dict(zip(names, row)) for row in zip(*columns)] if names else []


def handle(request):
    op = request['op']
    if op == 'read':
        table = StaticTable.from_metadata(request['metadata'], request.get('properties') or {})
        options = {}
        if request.get('where'):
            options['row_filter'] = request['where']
        if request.get('snapshotId'):
            options['snapshot_id'] = int(request['snapshotId'])
        if request.get('columns'):
            options['selected_fields'] = tuple(request['columns'])
        return rows_of(table.scan(**options).to_arrow())
    if op == 'run':
        scope = {'request': request, 'SqlCatalog': SqlCatalog, 'pa': pa, 'pc': pc, 'dt': dt, 'decimal': decimal, 'uuid': uuid}
        exec(request['code'], scope)
        return scope.get('result')
    raise ValueError(f'unknown op {op}')


serve(handle)
