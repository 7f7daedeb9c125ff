/**
 * The cache of installed services: `$FLOE_CACHE`, else the user's cache folder. A part is installed into a folder
 * of its own beside its final place and moved there when complete, so a broken install is never used and two runs
 * at once do no harm.
 */
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const CACHE =
  process.env.FLOE_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'floe', 'services')

/** The folder of an installed part; its recipe is part of the name, so a changed recipe installs anew. */
export function partFolder(name, recipe) {
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 12)
  return join(CACHE, `${name}-${hash}`)
}

/** Installs a part unless it is there. `build(folder)` fills the folder it is given. */
export async function installPart(name, recipe, build, options = {}) {
  const folder = partFolder(name, recipe)
  if (existsSync(join(folder, '.complete'))) return folder
  mkdirSync(CACHE, { recursive: true })
  // A Python environment knows its own path, so it is built where it stays.
  const inPlace = options.inPlace === true
  const target = inPlace ? folder : `${folder}.${randomUUID().slice(0, 8)}`
  const started = Date.now()
  process.stderr.write(`services: installing ${name} …\n`)
  if (inPlace) rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  try {
    await build(target)
    writeFileSync(join(target, '.complete'), recipe)
    if (!inPlace && !existsSync(folder)) renameSync(target, folder)
  } finally {
    if (!inPlace) rmSync(target, { recursive: true, force: true })
  }
  process.stderr.write(
    `services: ${name} installed in ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
  )
  return folder
}

/** Runs a program to its end; its output appears only if it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    const collect = (chunk) => {
      output = (output + chunk).slice(-20_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) =>
      reject(
        new Error(`Cannot run ${command}: ${error.message}. Is it installed and on the PATH?`),
      ),
    )
    child.on('close', (code) =>
      code === 0
        ? resolve(output)
        : reject(new Error(`${command} ${args.join(' ')} failed (${code}):\n${output}`)),
    )
  })
}

const JVM_FOLDERS = ['/usr/lib/jvm', '/Library/Java/JavaVirtualMachines']

/** The home of a JDK of the given major version: from `$JAVA<n>_HOME`, `$JAVA_HOME` or the system's JVM folder. */
export function javaHome(major) {
  const candidates = [process.env[`JAVA${major}_HOME`], process.env.JAVA_HOME]
  for (const folder of JVM_FOLDERS) {
    if (!existsSync(folder)) continue
    for (const name of readdirSync(folder).sort()) candidates.push(join(folder, name))
  }
  for (const home of candidates) {
    if (home === undefined || !existsSync(join(home, 'bin', 'javac'))) continue
    const release = join(home, 'release')
    const version = existsSync(release)
      ? /JAVA_VERSION="?(\d+)/.exec(readFileSync(release, 'utf8'))?.[1]
      : /(?:jdk|java|openjdk|temurin)[^\d]*(\d+)/.exec(home)?.[1]
    if (Number(version) === major) return home
  }
  throw new Error(
    `No JDK ${major} found: set JAVA${major}_HOME, or install one into the system's JVM folder`,
  )
}
