/** Runs the suites against real engines: installs them, starts them once, runs the tests, ends them. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDuckDb, startPyIceberg, startSpark, startTrino } from './engines/start.js'
import { CACHE } from './install/cache.js'
import {
  installKafka,
  installMinio,
  installMoto,
  installNodes,
  installPython,
  installS3Mock,
  installSpark,
  installSparkS3,
  installTrino,
  installVersityGw,
} from './install/parts.js'
import { startKafka } from './kafka/start.js'
import { startMinio, startMoto, startS3Mock, startVersityGw } from './s3/start.js'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const ENGINES = ['trino', 'spark', 'pyiceberg', 'duckdb']
const SUITES = [...ENGINES, 's3', 'kafka', 'node-versions']

const HELP = `npm run test:services -- [--only NAME[,NAME…]] [--write-matrix] [vitest arguments]

  --only          run with these of: ${SUITES.join(', ')} (default: all)
  --write-matrix  write docs/compatibility.md from what was measured, instead of comparing with it
  --help          this text

  s3 runs on versitygw, MinIO, moto and S3Mock. Its random tests take from the environment:
    FLOE_PROXY_CASES  commits through a faulty proxy (default 300); FLOE_PROXY_SEED replays one
    FLOE_KILLS        SIGKILLs of a writer (default 25); FLOE_KILL_SEED repeats their moments

Engines and servers are installed into ${'$FLOE_CACHE'} (now ${CACHE}) on first use.`

function parse(argv) {
  const options = { only: new Set(SUITES), writeMatrix: false, rest: [] }
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--help') {
      console.log(HELP)
      process.exit(0)
    } else if (argv[i] === '--write-matrix') options.writeMatrix = true
    else if (argv[i] === '--only') {
      options.only = new Set((argv[++i] ?? '').split(','))
      for (const name of options.only) {
        if (!SUITES.includes(name)) {
          console.error(`There is no suite "${name}".\n\n${HELP}`)
          process.exit(2)
        }
      }
    } else options.rest.push(argv[i])
  }
  return options
}

const options = parse(process.argv.slice(2))
const wanted = (name) => options.only.has(name)
for (const name of SUITES.filter((s) => !wanted(s)))
  console.log(`services: ${name} is left out by --only`)

const work = mkdtempSync(join(tmpdir(), 'floe-services-'))
const engines = []
const s3Servers = []
let kafka
let kafkaFolder
let stopping = false
async function stopAll() {
  if (stopping) return
  stopping = true
  await Promise.allSettled(
    [...engines, ...s3Servers, ...(kafka ? [kafka] : [])].map((server) => server.stop()),
  )
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    void stopAll().then(() => process.exit(130))
  })
}
process.on('exit', () => {
  for (const server of [...engines, ...s3Servers, ...(kafka ? [kafka] : [])]) server.kill()
})

let code = 1
try {
  const started = Date.now()
  const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`
  const python = ENGINES.some(wanted) ? await installPython() : undefined
  const startS3 = async (name, install, startServer) => {
    if (!wanted('s3')) return
    const folder = await install()
    const from = Date.now()
    s3Servers.push(await startServer(folder, work))
    console.log(`services: ${name} ready in ${seconds(from)}`)
  }
  const start = async (name, task) => {
    if (!wanted(name)) return
    const from = Date.now()
    engines.push(await task())
    console.log(`services: ${name} ready in ${seconds(from)}`)
  }
  await Promise.all([
    start('duckdb', () => startDuckDb(python, work)),
    start('pyiceberg', () => startPyIceberg(python, work)),
    start('spark', async () =>
      startSpark(await installSpark(), work, wanted('s3') ? await installSparkS3() : undefined),
    ),
    start('trino', async () => startTrino(await installTrino(), work, python)),
    (async () => {
      if (!wanted('kafka')) return
      kafkaFolder = await installKafka()
      const from = Date.now()
      kafka = await startKafka(kafkaFolder, work)
      console.log(`services: kafka ready in ${seconds(from)}`)
    })(),
    startS3('versitygw', installVersityGw, startVersityGw),
    startS3('minio', installMinio, startMinio),
    startS3('moto', installMoto, startMoto),
    startS3('s3mock', installS3Mock, startS3Mock),
  ])
  const nodes = wanted('node-versions') ? await installNodes() : undefined
  console.log(`services: all ready in ${seconds(started)}`)
  const env = {
    ...process.env,
    FLOE_ENGINES: JSON.stringify(Object.fromEntries(engines.map((e) => [e.name, e.url]))),
    ...(wanted('s3')
      ? { FLOE_S3: JSON.stringify(Object.fromEntries(s3Servers.map((s) => [s.name, s.url]))) }
      : {}),
    ...(kafka === undefined
      ? {}
      : { FLOE_KAFKA: JSON.stringify({ broker: kafka.url, folder: kafkaFolder }) }),
    FLOE_SERVICES_WORK: work,
    ...(nodes === undefined ? {} : { FLOE_NODES: nodes }),
    ...(options.writeMatrix ? { FLOE_WRITE_MATRIX: '1' } : {}),
  }
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--config',
      join(ROOT, 'test', 'services', 'vitest.config.ts'),
      ...options.rest,
    ],
    { cwd: ROOT, env, stdio: 'inherit' },
  )
  code = await new Promise((resolve) => child.on('close', (status) => resolve(status ?? 1)))
} catch (error) {
  console.error(error)
} finally {
  await stopAll()
}
process.exit(code)
