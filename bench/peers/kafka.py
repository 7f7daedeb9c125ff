"""
The peer of the suite `kafka`: the job of examples/pipeline by Spark Structured Streaming in local mode, from the same
topic into the same two tables. Arguments: broker topic events batch work jars. `jars` is a folder of Spark's Kafka
source, `work` one for tables and checkpoint. Prints CPU seconds of the JVM (Python's own are left out) and seconds,
from the query's start to its end, rows of each batch and CPU seconds up to its end, the most resident memory of the JVM,
and how many events are in Gold.
"""
import glob
import json
import os
import re
import sys
import time

from pyspark.sql import SparkSession

broker, topic, events, batch, work, jars = sys.argv[1:7]
events = int(events)
found = [jar for folder in (os.path.join(sys.prefix, 'jars'), jars) for jar in glob.glob(os.path.join(folder, '*.jar'))]
CORES = os.cpu_count()

# Flags of the JVM are its defaults, which suit long work; so many shuffle partitions as cores and a fanout writer cost
# the least here.
spark = (
    SparkSession.builder.master(f'local[{CORES}]')
    .config('spark.driver.memory', '2g')
    .config('spark.jars', ','.join(found))
    .config('spark.driver.bindAddress', '127.0.0.1')
    .config('spark.driver.host', '127.0.0.1')
    .config('spark.ui.enabled', 'false')
    .config('spark.ui.showConsoleProgress', 'false')
    .config('spark.log.level', 'ERROR')
    .config('spark.sql.session.timeZone', 'UTC')
    .config('spark.sql.shuffle.partitions', str(CORES))
    .config('spark.local.dir', work)
    .config('spark.sql.warehouse.dir', f'{work}/warehouse')
    .config('spark.sql.extensions', 'org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions')
    .config('spark.sql.catalog.peer', 'org.apache.iceberg.spark.SparkCatalog')
    .config('spark.sql.catalog.peer.type', 'hadoop')
    .config('spark.sql.catalog.peer.warehouse', f'file://{work}/lake')
    .getOrCreate()
)
jvm = spark.sparkContext._gateway.proc.pid

spark.sql("""
    CREATE TABLE peer.bronze.raw_events (
        event_id string, event_type string, video_id string, user_id string, event_time timestamp, schema_version int,
        body binary, message_key binary, source_topic string, source_partition int, source_offset bigint, source_time timestamp)
    USING iceberg PARTITIONED BY (day(event_time))
    TBLPROPERTIES ('format-version' = '2', 'write.distribution-mode' = 'none', 'write.spark.fanout.enabled' = 'true')""")
spark.sql("""
    CREATE TABLE peer.gold.virality_state (
        video_id string, views bigint, likes bigint, shares bigint, comments bigint, completions bigint, viral_score double,
        velocity double, first_event_time timestamp, last_event_time timestamp, last_partition int, last_offset bigint)
    USING iceberg
    TBLPROPERTIES ('format-version' = '2', 'write.merge.mode' = 'merge-on-read', 'write.merge.distribution-mode' = 'none')""")

# Old programs write the time as milliseconds.
BRONZE = """
    SELECT header.event_id, header.event_type, header.video_id, header.user_id,
        coalesce(try_cast(header.event_time AS timestamp), timestamp_millis(try_cast(header.event_time AS bigint))) AS event_time,
        header.schema_version, body, message_key, source_topic, source_partition, source_offset, source_time
    FROM (
        SELECT from_json(cast(value AS string), 'event_id string, event_type string, video_id string, user_id string, event_time string, schema_version int') AS header,
            value AS body, key AS message_key, topic AS source_topic, partition AS source_partition, offset AS source_offset,
            timestamp AS source_time
        FROM records)"""

TYPES = {'view': ('views', 1), 'like': ('likes', 4), 'share': ('shares', 10), 'comment': ('comments', 6), 'completion': ('completions', 3)}
HALF_LIVES = {'viral_score': 6 * 60 * 60, 'velocity': 5 * 60}
COUNTS = [name for name, _ in TYPES.values()]
WEIGHT = 'CASE event_type ' + ' '.join(f"WHEN '{type_}' THEN {weight}" for type_, (_, weight) in TYPES.items()) + ' END'


def faded(seconds, column):
    return f'exp(-({seconds}) * ln(2) / {HALF_LIVES[column]})'


# Scores are sums that fade to the time of a video's newest event. Here they fade from the time of the batch, which is
# the same and needs no second pass.
CHANGES = f"""
    SELECT video_id,
        {', '.join(f"count_if(event_type = '{type_}') AS {name}" for type_, (name, _) in TYPES.items())},
        {', '.join(f"sum(({WEIGHT}) * {faded('now - seconds', c)}) * {faded('max(seconds) - first(now)', c)} AS {c}" for c in HALF_LIVES)},
        min(event_time) AS first_event_time, max(event_time) AS last_event_time,
        max(source_partition) AS last_partition, max(source_offset) AS last_offset
    FROM (
        SELECT *, unix_micros(event_time) / 1e6 AS seconds, unix_micros(current_timestamp()) / 1e6 AS now FROM bronze
        WHERE event_type IN ({', '.join(f"'{type_}'" for type_ in TYPES)}) AND video_id = cast(message_key AS string)
            AND event_time <= source_time + INTERVAL 1 HOUR)
    GROUP BY video_id"""

AGE = 'greatest(unix_micros(t.last_event_time), unix_micros(s.last_event_time)) - unix_micros({}.last_event_time)'
SCORES = {c: ' + '.join(f"{of}.{c} * {faded('(' + AGE.format(of) + ') / 1e6', c)}" for of in 'ts') for c in HALF_LIVES}
UPDATE = {
    **{name: f't.{name} + s.{name}' for name in COUNTS},
    **SCORES,
    'first_event_time': 'least(t.first_event_time, s.first_event_time)',
    'last_event_time': 'greatest(t.last_event_time, s.last_event_time)',
    'last_partition': 's.last_partition',
    'last_offset': 's.last_offset',
}
MERGE = f"""
    MERGE INTO peer.gold.virality_state t USING ({CHANGES}) s ON t.video_id = s.video_id
    WHEN MATCHED THEN UPDATE SET {', '.join(f'{column} = {value}' for column, value in UPDATE.items())}
    WHEN NOT MATCHED THEN INSERT *"""


def take(records, _):
    session = records.sparkSession
    records.createOrReplaceTempView('records')
    # Both tables are of one reading of the topic and one parse.
    bronze = session.sql(BRONZE).persist()
    bronze.createOrReplaceTempView('bronze')
    bronze.writeTo('peer.bronze.raw_events').append()
    session.sql(MERGE)
    bronze.unpersist()
    ends.append(cpu_seconds() - cpu)


def cpu_seconds():
    """Of the JVM, all threads; after the name, which may hold spaces, utime and stime are the 12th and 13th field."""
    with open(f'/proc/{jvm}/stat') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


source = (
    spark.readStream.format('kafka')
    .option('kafka.bootstrap.servers', broker)
    .option('subscribe', topic)
    .option('startingOffsets', 'earliest')
    .option('maxOffsetsPerTrigger', batch)
    .load()
)
ends = []
cpu = cpu_seconds()
started = time.perf_counter()
query = source.writeStream.trigger(availableNow=True).option('checkpointLocation', f'{work}/checkpoint').foreachBatch(take).start()
query.awaitTermination()
seconds = time.perf_counter() - started
total = cpu_seconds() - cpu
batches = [{'rows': p.numInputRows, 'cpuSeconds': end} for p, end in zip(query.recentProgress, ends, strict=True)]
with open(f'/proc/{jvm}/status') as file:
    peak = int(re.search(r'VmHWM:\s+(\d+) kB', file.read()).group(1)) // 1024

rows = spark.table('peer.bronze.raw_events').count()
assert rows == events, f'{rows} of {events} events are in Bronze'
folded = spark.sql(f"SELECT sum({' + '.join(COUNTS)}) FROM peer.gold.virality_state").first()[0]
print(json.dumps({
    'version': spark.version,
    'cpuSeconds': total,
    'seconds': seconds,
    'batches': batches,
    'peakRssMiB': peak,
    'folded': folded,
}))
spark.stop()
