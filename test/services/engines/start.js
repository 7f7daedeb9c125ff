/** Starts engines on free loopback ports, one warm process each, and ends exactly those processes. */
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { javaHome, run } from '../install/cache.js'
import { VERSIONS } from '../install/parts.js'
import { freePort, running } from '../running.js'

const HERE = dirname(fileURLToPath(import.meta.url))

/** A Python server that prints its port and ends with its stdin. */
async function startPython(name, python, script, args, workFolder, env = {}) {
  const log = join(workFolder, `${name}.log`)
  const child = spawn(python, [join(HERE, script), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: workFolder,
    env: { ...process.env, TZ: 'UTC', ...env },
  })
  child.stderr.pipe(createWriteStream(log))
  const port = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^PORT (\d+)$/.exec(line)
      if (match) resolve(Number(match[1]))
    })
    child.on('close', () =>
      reject(new Error(`${name} did not start:\n${readFileSync(log, 'utf8').slice(-3000)}`)),
    )
  })
  return running(name, child, `http://127.0.0.1:${port}`)
}

export function startPyIceberg(folder, workFolder) {
  return startPython(
    'pyiceberg',
    join(folder, 'bin', 'python'),
    'pyiceberg_server.py',
    [],
    workFolder,
  )
}

export function startDuckDb(folder, workFolder) {
  return startPython('duckdb', join(folder, 'bin', 'python'), 'duckdb_server.py', [], workFolder)
}

/** @param more a folder of further jars, or undefined. */
export function startSpark(folder, workFolder, more) {
  const work = join(workFolder, 'spark')
  mkdirSync(work, { recursive: true })
  return startPython(
    'spark',
    join(folder, 'bin', 'python'),
    'spark_server.py',
    [work],
    workFolder,
    {
      JAVA_HOME: javaHome(17),
      ...(more === undefined ? {} : { FLOE_SPARK_JARS: more }),
    },
  )
}

/** The tables of Iceberg's JDBC catalog, which Trino expects to be there. */
const JDBC_DDL = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute('''CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
 table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),
 iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))''')
c.execute('''CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL,
 property_key VARCHAR(255), property_value VARCHAR(1000), PRIMARY KEY (catalog_name, namespace, property_key))''')
c.commit()`

export async function startTrino(folder, workFolder, python) {
  const work = join(workFolder, 'trino')
  mkdirSync(join(work, 'etc', 'catalog'), { recursive: true })
  const port = await freePort()
  await run(join(python, 'bin', 'python'), ['-c', JDBC_DDL, join(work, 'catalog.db')])
  const settings = {
    'node.environment': 'test',
    'node.id': 'floe-test',
    'node.internal-address': '127.0.0.1',
    'node.bind-ip': '127.0.0.1',
    'plugin.dir': join(folder, 'plugin'),
    coordinator: 'true',
    'node-scheduler.include-coordinator': 'true',
    'http-server.http.port': String(port),
    'discovery.uri': `http://127.0.0.1:${port}`,
    'catalog.management': 'dynamic',
    'query.max-memory': '400MB',
    'query.max-memory-per-node': '400MB',
    'memory.heap-headroom-per-node': '200MB',
    'task.concurrency': '2',
    'task.max-worker-threads': '4',
    'task.min-drivers': '4',
    'http-server.threads.max': '100',
    'http-server.log.enabled': 'false',
    'web-ui.enabled': 'false',
  }
  const catalog = {
    'connector.name': 'iceberg',
    'iceberg.catalog.type': 'jdbc',
    'iceberg.jdbc-catalog.catalog-name': 'floe',
    'iceberg.jdbc-catalog.driver-class': 'org.sqlite.JDBC',
    'iceberg.jdbc-catalog.connection-url': `jdbc:sqlite:${join(work, 'catalog.db')}`,
    'iceberg.jdbc-catalog.default-warehouse-dir': `file://${join(work, 'wh')}`,
    'iceberg.jdbc-catalog.schema-version': 'V1',
    'iceberg.register-table-procedure.enabled': 'true',
    'fs.native-local.enabled': 'true',
    'local.location': '/',
  }
  const text = (properties) =>
    Object.entries(properties)
      .map(([k, v]) => `${k}=${v}\n`)
      .join('')
  writeFileSync(join(work, 'etc', 'config.properties'), text(settings))
  writeFileSync(join(work, 'etc', 'log.properties'), 'io.trino=INFO\n')
  writeFileSync(join(work, 'etc', 'catalog', 'floe.properties'), text(catalog))
  const log = join(workFolder, 'trino.log')
  const child = spawn(
    join(javaHome(25), 'bin', 'java'),
    [
      '-Xmx1G',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-XX:+ExitOnOutOfMemoryError',
      '-XX:ReservedCodeCacheSize=256M',
      '-Djdk.attach.allowAttachSelf=true',
      '-Dfile.encoding=UTF-8',
      '-Duser.timezone=UTC',
      '--add-modules=jdk.incubator.vector',
      '--enable-native-access=ALL-UNNAMED',
      '--sun-misc-unsafe-memory-access=allow',
      '-Dconfig=etc/config.properties',
      '-Dlog.levels-file=etc/log.properties',
      '-cp',
      `${join(folder, 'launcher.jar')}:${join(folder, 'lib')}/*`,
      'TrinoLauncher',
      VERSIONS.trino,
    ],
    { cwd: work, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const out = createWriteStream(log)
  child.stdout.pipe(out)
  child.stderr.pipe(out)
  let ended = false
  child.on('close', () => {
    ended = true
  })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (ended) throw new Error(`trino did not start:\n${readFileSync(log, 'utf8').slice(-3000)}`)
    try {
      const info = await (await fetch(`${url}/v1/info`)).json()
      if (info.starting === false) break
    } catch {
      // Not listening yet.
    }
    await sleep(200)
  }
  return running('trino', child, url)
}
