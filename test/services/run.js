/** Runs the suites against real engines: installs them, starts them once, runs the tests, ends them. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDuckDb, startPyIceberg, startSpark, startTrino } from './engines/start.js'
import { CACHE } from './install/cache.js'
import { installNodes, installPython, installSpark, installTrino } from './install/parts.js'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const ENGINES = ['trino', 'spark', 'pyiceberg', 'duckdb']
const SUITES = [...ENGINES, 'node-versions']

const HELP = `npm run test:services -- [--only NAME[,NAME…]] [--write-matrix] [vitest arguments]

  --only          run with these of: ${SUITES.join(', ')} (default: all)
  --write-matrix  write docs/compatibility.md from what was measured, instead of comparing with it
  --help          this text

Engines are installed into ${'$FLOE_CACHE'} (now ${CACHE}) on first use.`

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
let stopping = false
async function stopAll() {
  if (stopping) return
  stopping = true
  await Promise.allSettled(engines.map((engine) => engine.stop()))
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    void stopAll().then(() => process.exit(130))
  })
}
process.on('exit', () => {
  for (const engine of engines) engine.kill()
})

let code = 1
try {
  const started = Date.now()
  const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`
  const python = await installPython()
  const start = async (name, task) => {
    if (!wanted(name)) return
    const from = Date.now()
    engines.push(await task())
    console.log(`services: ${name} ready in ${seconds(from)}`)
  }
  await Promise.all([
    start('duckdb', () => startDuckDb(python, work)),
    start('pyiceberg', () => startPyIceberg(python, work)),
    start('spark', async () => startSpark(await installSpark(), work)),
    start('trino', async () => startTrino(await installTrino(), work, python)),
  ])
  const nodes = wanted('node-versions') ? await installNodes() : undefined
  console.log(`services: all ready in ${seconds(started)}`)
  const env = {
    ...process.env,
    FLOE_ENGINES: JSON.stringify(Object.fromEntries(engines.map((e) => [e.name, e.url]))),
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
