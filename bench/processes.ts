/** Programs that benchmarks start: every one is ended with this process, also when it fails or is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(130))
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** File descriptor or disposition of the two outputs. Default: standard output is piped, standard error shown. */
  readonly output?: number
}

/** Starts a program. */
export function start(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): ChildProcess {
  const child = spawn(command, args, {
    stdio: ['ignore', options.output ?? 'pipe', options.output ?? 'inherit'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  alive.add(child)
  child.on('close', () => alive.delete(child))
  return child
}

/** Runs a program to its end and gives its standard output. @throws if it fails */
export function run(
  command: string,
  args: readonly string[],
  what: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = start(command, args, { env: { ...process.env, ...env } })
  let out = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(out)
      else reject(new Error(`${what} ended with ${code ?? signal}`))
    })
  })
}

const GRACE_MS = 10_000

/** Ends a program that was started here and waits for its end. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGTERM')
  const late = new AbortController()
  const killed = sleep(GRACE_MS, undefined, { signal: late.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  )
  await ended
  late.abort()
  await killed
}
