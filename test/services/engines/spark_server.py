"""Spark with Iceberg: reads by metadata location; runs SQL on catalogs that requests bring along."""
import glob
import os
import sys
import tempfile

work = sys.argv[1]
os.environ['SPARK_LOCAL_DIRS'] = work
keep = os.dup(1)
os.dup2(2, 1)

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from serve import *

folders = [os.path.join(sys.prefix, 'jars'), os.environ.get('FLOE_SPARK_JARS')]
jars = ','.join(jar for folder in folders if folder for jar in glob.glob(os.path.join(folder, '*.jar')))
builder = (
    SparkSession.builder.master('local[2]')
    .config('spark.driver.memory', '1g')
    .config('spark.jars', jars)
    .config('spark.driver.bindAddress', '127.0.0.1')
    .config('spark.driver.host', '127.0.0.1')
    .config('spark.ui.enabled', 'false')
    .config('spark.ui.showConsoleProgress', 'false')
    .config('spark.sql.session.timeZone', 'UTC')
    .config('spark.sql.shuffle.partitions', '2')
    .config('spark.local.dir', work)
    .config('spark.sql.warehouse.dir', work + '/wh')
    .config('spark.driver.extraJavaOptions', '-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss4m -Duser.timezone=UTC -Dderby.system.home=' + work)
    .config('spark.sql.extensions', 'org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions')
)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel('ERROR')


def expression(column, type_):
    """SQL that gives a lossless text form: Python's datetime loses range, and Spark's JSON loses digits."""
    if isinstance(type_, (T.TimestampType, T.TimestampNTZType)):
        # 1,000 years are added so that no year has fewer than four digits.
        return f'cast(unix_micros(cast({column} as timestamp)) as string)'
    if isinstance(type_, T.DateType):
        return f"cast(datediff({column}, date'1970-01-01') as string)"
    if isinstance(type_, (T.DecimalType, T.LongType, T.IntegerType)):
        return f'cast({column} as string)'
    if isinstance(type_, T.BinaryType):
        return f'lower(hex({column}))'
    if isinstance(type_, T.StructType):
        parts = ', '.join(f"'{f.name}', {expression(column + '.`' + f.name + '`', f.dataType)}" for f in type_.fields)
        return f'case when {column} is null then null else named_struct({parts}) end'
    if isinstance(type_, T.ArrayType):
        return f"transform({column}, e -> {expression('e', type_.elementType)})"
    if isinstance(type_, T.MapType):
        key, value = expression('e.key', type_.keyType), expression('e.value', type_.valueType)
        return f"transform(map_entries({column}), e -> named_struct('key', {key}, 'value', {value}))"
    return column


def canonical(value, type_):
    if value is None:
        return None
    if isinstance(type_, T.TimestampType):
        return micros_text(int(value), True)
    if isinstance(type_, T.TimestampNTZType):
        return micros_text(int(value), False)
    if isinstance(type_, T.DateType):
        return (dt.date(1970, 1, 1) + dt.timedelta(days=int(value))).isoformat()
    if isinstance(type_, (T.FloatType, T.DoubleType)):
        return number(value)
    if isinstance(type_, T.StructType):
        return {f.name: canonical(value[f.name], f.dataType) for f in type_.fields}
    if isinstance(type_, T.ArrayType):
        return [canonical(v, type_.elementType) for v in value]
    if isinstance(type_, T.MapType):
        return sorted_map([[canonical(v['key'], type_.keyType), canonical(v['value'], type_.valueType)] for v in value])
    return value


def rows_of(frame):
    fields = frame.schema.fields
    if not fields:
        frame.collect()
        return []
    selected = frame.selectExpr(*[f"{expression('`' + f.name + '`', f.dataType)} as `{f.name}`" for f in fields])
    return [{f.name: canonical(row[i], f.dataType) for i, f in enumerate(fields)} for row in selected.collect()]


def registered(request):
    """The name of a table that is read through a catalog: by path, Spark knows Hadoop's file systems alone."""
    catalog, namespace, table = request['registerAs'].split('.')
    spark.sql(f'CREATE NAMESPACE IF NOT EXISTS {catalog}.{namespace}')
    spark.sql(f"CALL {catalog}.system.register_table(table => '{namespace}.{table}', metadata_file => '{request['metadata']}')")
    return request['registerAs']


def handle(request):
    for key, value in request.get('conf', {}).items():
        spark.conf.set(key, value)
    op = request['op']
    if op == 'read':
        reader = spark.read.format('iceberg')
        if request.get('snapshotId'):
            reader = reader.option('versionAsOf', str(request['snapshotId']))
        frame = reader.load(registered(request) if request.get('registerAs') else request['metadata'])
        if request.get('columns'):
            frame = frame.selectExpr(*['`' + c + '`' for c in request['columns']])
        if request.get('where'):
            frame = frame.where(request['where'])
        return rows_of(frame)
    if op == 'sql':
        return rows_of(spark.sql(request['sql']))
    raise ValueError(f'unknown op {op}')


os.dup2(keep, 1)
serve(handle)
