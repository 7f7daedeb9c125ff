/** The program as a process: exit codes, Ctrl-C, and that a run that was killed is gone on with. Needs the build. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { openLake } from '../../../src/index.ts'
import { openLog } from '../../../src/stream/index.ts'
import { temporaryFolder } from '../../support/lakes.ts'

const PROGRAM = fileURLToPath(new URL('../../../dist/examples/pipeline/run.js', import.meta.url))
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

class Run {
  readonly #child: ChildProcess
  output = ''
  errors = ''
  readonly ended: Promise<number | NodeJS.Signals | null>
  readonly #waiting: (() => void)[] = []

  /** @param temporary where it has its temporary files */
  constructor(args: readonly string[], temporary?: string) {
    this.#child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(temporary === undefined ? {} : { TMPDIR: temporary }) },
    })
    children.push(this.#child)
    const take = (bytes: Buffer): void => {
      this.output += bytes.toString()
      for (const wake of this.#waiting.splice(0)) wake()
    }
    this.#child.stdout?.on('data', take)
    this.#child.stderr?.on('data', take)
    this.#child.stderr?.on('data', (bytes: Buffer) => (this.errors += bytes.toString()))
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => resolve(code ?? signal))
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** As `head` does when it has its lines. */
  closeOutput(): void {
    this.#child.stdout?.destroy()
  }

  /** Resolves once the output has the text; fails if the program ends before. */
  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      const isOver = await Promise.race([
        new Promise<false>((resolve) => this.#waiting.push(() => resolve(false))),
        this.ended.then(() => true),
      ])
      if (isOver && !this.output.includes(text))
        throw new Error(`never said ${text}:\n${this.output}`)
    }
  }
}

/** Much later than the few seconds after which a run without a broker gives up, on a machine with other work. */
const LATE_MS = 25_000

/** Whether a segment of a log below the folder has a record. */
function holdsRecords(folder: string): boolean {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).some(
    (file) => file.name.endsWith('.log') && statSync(join(file.parentPath, file.name)).size > 0,
  )
}

const SPEED = ['--rate', '2000', '--trigger', '200ms']
const lakeFlags = (): string[] => ['--lake', temporaryFolder(), ...SPEED]

describe('npm start', () => {
  it('explains itself', async () => {
    const run = new Run(['--help'])
    expect(await run.ended, run.output).toBe(0)
    expect(run.output).toContain('--kafka HOST:PORT')
  })

  it('refuses wrong flags with exit code 2', async () => {
    const run = new Run(['--rate', 'fast'])
    expect(await run.ended).toBe(2)
    expect(run.output).toContain('--rate fast is no whole number')
  })

  it('runs, serves its tables, checks, and exits with 0', async () => {
    const run = new Run([...lakeFlags(), '--for', '1s'])
    await run.says('REST catalog at http://127.0.0.1:')
    expect(await run.ended, run.output).toBe(0)
    expect(run.output).not.toContain('BROKEN')
    expect(run.output.match(/holds {2}/g)).toHaveLength(5)
    expect(run.output).toMatch(/v\d{6} +score/)
  })

  it('ends well on Ctrl-C', async () => {
    const run = new Run([...lakeFlags(), '--for', 'forever'])
    await run.says('commits 2')
    run.kill('SIGINT')
    expect(await run.ended, run.output).toBe(0)
    expect(run.output).toContain('Stopping')
    expect(run.output).not.toContain('BROKEN')
  })

  it('goes on after it was killed, with every event once', async () => {
    // A folder as shells take it, from where the program runs.
    const flags = [...lakeFlags(), '--lake', relative(process.cwd(), temporaryFolder())]
    for (let round = 0; round < 3; round++) {
      const run = new Run([...flags, '--for', 'forever'])
      await run.says(`commits ${round + 1}`)
      run.kill('SIGKILL')
      expect(await run.ended).toBe('SIGKILL')
    }
    const last = new Run([...flags, '--for', '1s'])
    expect(await last.ended, last.output).toBe(0)
    expect(last.output.match(/holds {2}/g)).toHaveLength(5)
  })

  it('has a lake of its own in each run without one, and removes it', async () => {
    const temporary = temporaryFolder()
    const flags = [...SPEED, '--for', '1s']
    const runs = [new Run(flags, temporary), new Run(flags, temporary)]
    for (const run of runs) {
      await run.says('removed at the end')
      const lake = /^Lake: +(.*)$/m.exec(run.output)?.[1] as string
      expect(existsSync(lake), lake).toBe(true)
      expect(lake.startsWith(temporary)).toBe(true)
    }
    for (const run of runs) expect(await run.ended, run.output).toBe(0)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('reads a log that was named from its beginning, into a lake of the run', async () => {
    const temporary = temporaryFolder()
    const log = temporaryFolder()
    const records = async (folder: string): Promise<number> => {
      const run = new Run([...SPEED, '--for', '500ms', '--log', folder], temporary)
      expect(await run.ended, run.output).toBe(0)
      return Number(/once in Bronze: ([\d,]+) records/.exec(run.output)?.[1]?.replaceAll(',', ''))
    }
    const first = await records(log)
    expect(await records(log)).toBeGreaterThan(first)
    // A lake that is gone on with is further than another log.
    await records(temporaryFolder())
    expect(readdirSync(temporary)).toEqual([])
    expect(readdirSync(log)).toContain('content_events')
  })

  it('leaves what failed, and says where', async () => {
    const temporary = temporaryFolder()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = other.address() as AddressInfo
      const run = new Run([...SPEED, '--catalog-port', String(port)], temporary)
      expect(await run.ended, run.output).toBe(1)
      const [folder] = readdirSync(temporary)
      expect(run.output).toContain(`is left in ${temporary}/${folder}`)
    } finally {
      other.close()
    }
  })

  it('refuses a file where a folder is wanted, with exit code 2', async () => {
    for (const flag of ['--lake', '--log']) {
      const run = new Run([flag, PROGRAM])
      expect(await run.ended, run.output).toBe(2)
      expect(run.output).toContain(`${flag} ${PROGRAM} wants a folder, and ${PROGRAM} is a file`)
    }
  })

  it('says in a few seconds that no broker answers, and leaves nothing', async () => {
    const temporary = temporaryFolder()
    // Takes connections, and says nothing.
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const sockets: Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket))
    try {
      const { port } = silent.address() as AddressInfo
      for (const broker of ['127.0.0.1:9', `127.0.0.1:${port}`]) {
        const run = new Run(['--kafka', broker], temporary)
        const late = setTimeout(() => run.kill('SIGKILL'), LATE_MS)
        expect(await run.ended, run.output).toBe(1)
        clearTimeout(late)
        expect(run.output).toContain(`No broker of Kafka answers at ${broker}`)
        expect(run.output).toContain('give --kafka the address')
      }
    } finally {
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
    expect(readdirSync(temporary)).toEqual([])
  })

  it('ends well on Ctrl-C before the first commit, and says what is unread', async () => {
    const lake = temporaryFolder()
    const slow = ['--rate', '2000', '--trigger', '24h']
    for (const flags of [[], ['--lake', lake]]) {
      const temporary = temporaryFolder()
      const run = new Run([...slow, ...flags, '--for', 'forever'], temporary)
      await run.says('Tables:')
      // Without a lake that is kept, the run has both in its temporary folder.
      while (!holdsRecords(flags.length === 0 ? temporary : lake)) await sleep(50)
      run.kill('SIGINT')
      expect(await run.ended, run.output).toBe(0)
      expect(run.output).toContain('nothing committed yet')
      expect(run.output).toMatch(/[1-9][\d,]* records of the topic are unread/)
      expect(run.output).toContain(
        flags.length === 0 ? 'go with the log of this run' : 'the next run on this lake goes on',
      )
    }
    const next = new Run(['--lake', lake, '--rate', '0', '--trigger', '200ms', '--for', '2s'])
    expect(await next.ended, next.output).toBe(0)
    expect(next.output).toMatch(/once in Bronze: [1-9]/)
  })

  it('with --rate 0 reads what another process sends to the log', async () => {
    const folder = temporaryFolder()
    const run = new Run(['--lake', folder, '--rate', '0', '--trigger', '200ms', '--for', 'forever'])
    await run.says('Tables:')
    const log = await openLog(join(folder, 'log'))
    try {
      const producer = await log.producer()
      await producer.send('content_events', [{ key: 'v', value: '{}' }])
      await run.says('rows 1')
    } finally {
      await log.close()
    }
    run.kill('SIGINT')
    expect(await run.ended, run.output).toBe(0)
    expect(run.output).toContain('once in Bronze: 1 records')
  })

  it('stops as on Ctrl-C when the reader of its output has gone', async () => {
    const folder = temporaryFolder()
    const run = new Run(['--lake', folder, ...SPEED, '--for', 'forever'])
    await run.says('commits 2')
    run.closeOutput()
    expect(await run.ended, run.errors).toBe(0)
    expect(run.errors).toBe('')
    // The lock of the log is free, and the batches are there.
    const log = await openLog(join(folder, 'log'))
    await log.producer()
    await log.close()
    const lake = await openLake(join(folder, 'lake'), { readOnly: true })
    expect(await (await lake.table('bronze.raw_events')).scan().count()).toBeGreaterThan(0)
    await lake.close()
  })

  it('says at its end how the tables are served, or kept', async () => {
    const folder = `${temporaryFolder()}/my data`
    const kept = new Run(['--lake', folder, ...SPEED, '--for', '500ms'])
    expect(await kept.ended, kept.output).toBe(0)
    expect(kept.output).toContain(`npx floe serve '${folder}/lake'\n`)
    expect(existsSync(join(folder, 'lake'))).toBe(true)
    const scratch = new Run([...SPEED, '--for', '500ms'], temporaryFolder())
    expect(await scratch.ended, scratch.output).toBe(0)
    expect(scratch.output).not.toContain('floe serve')
    expect(scratch.output.trimEnd().split('\n').at(-1)).toContain('--lake DIR')
  })

  it('fails with exit code 1 where it cannot start', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = other.address() as AddressInfo
      const run = new Run([...lakeFlags(), '--for', '1s', '--catalog-port', String(port)])
      expect(await run.ended).toBe(1)
      expect(run.output).toContain('The pipeline has failed')
      expect(run.output).toContain('LISTEN_FAILED')
    } finally {
      other.close()
    }
  })
})
