/** A producer in another process: read while it appends, and killed in the middle of it. Needs `tsc -b` before. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, take } from '../source-conformance.ts'

const KILLS = 10
const MODULE = new URL('../../../dist/src/stream/sources/log/embedded-log.js', import.meta.url).href

/** Sends from eight lanes until it has sent as many, and prints partition, offset and value of each when it resolved. */
const PROGRAM = `
const { openLog } = await import(process.argv[1])
const [, , folder, prefix, most] = process.argv
const log = await openLog(folder)
const producer = await log.producer()
let count = 0
const lane = async () => {
  while (count < Number(most)) {
    const values = Array.from({ length: 5 }, () => prefix + '-' + count++ + 'x'.repeat(count % 300))
    const sent = await producer.send('t', values.map((value) => ({ key: value, value })))
    process.stdout.write(sent.map(({ partition, offset }, i) => partition + ' ' + offset + ' ' + values[i] + '\\n').join(''))
  }
}
await Promise.all(Array.from({ length: 8 }, lane))
await log.close()
`

async function runProducer(
  folder: string,
  prefix: string,
  most: number,
  killAfter: number,
  acknowledged: Map<string, string>,
): Promise<void> {
  const args = ['--input-type=module', '-e', PROGRAM, MODULE, folder, prefix, `${most}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let lines = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /^(\d+ \d+) (.*x*)$/.exec(line)
    if (match !== null) acknowledged.set(match[1] as string, match[2] as string)
    if (++lines === killAfter) child.kill('SIGKILL')
  }
  await exited
}

describe('a producer in another process', () => {
  it(`killed ${KILLS} times has lost nothing that it acknowledged`, async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await log.createTopic('t', { partitions: 3, segmentBytes: 50_000 })
    const acknowledged = new Map<string, string>()
    const seed = Number(process.env['FLOE_KILL_SEED'] ?? Date.now() % 1000)
    console.log(`replay with: FLOE_KILL_SEED=${seed} npx vitest run test/stream/log/processes`)
    for (let round = 0; round < KILLS; round++) {
      const killAfter = 20 + ((seed * 31 + round * 173) % 400)
      await runProducer(folder, `r${round}`, 1_000_000, killAfter, acknowledged)
    }
    expect(acknowledged.size).toBeGreaterThan(KILLS * 20)
    const producer = await log.producer()
    const sent = await producer.send(
      't',
      [0, 1, 2].map((partition) => ({ partition, value: 'last' })),
    )
    const total = sent.reduce((sum, { offset }) => sum + offset + 1, 0)
    const reader = await logSource({ folder, topics: 't' }).open(openOptions())
    const seen = new Map(
      (await take(reader, total)).map((r) => [
        `${r.partition} ${r.offset}`,
        Buffer.from(r.value ?? []).toString(),
      ]),
    )
    expect(seen.size).toBe(total)
    for (const [at, value] of acknowledged) {
      // The pipe may end in the middle of a line.
      expect(seen.get(at)?.startsWith(value)).toBe(true)
    }
    await reader.close()
    await log.close()
  }, 120_000)

  it('is read while it appends, and has the lock meanwhile', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await log.createTopic('t', { partitions: 2, segmentBytes: 100_000 })
    const acknowledged = new Map<string, string>()
    const running = runProducer(folder, 'p', 20_000, -1, acknowledged)
    const reader = await logSource({ folder, topics: 't' }).open(openOptions())
    const first = await take(reader, 1)
    await rejectionOf('LOG_LOCKED', log.producer())
    const count = 20_000 - first.length
    const seen = [...first, ...(await take(reader, count))]
    await running
    expect(acknowledged.size).toBeGreaterThanOrEqual(20_000)
    for (const r of seen) {
      const value = Buffer.from(r.value ?? []).toString()
      expect(acknowledged.get(`${r.partition} ${r.offset}`)).toBe(value)
    }
    await reader.close()
    await log.close()
  }, 120_000)
})
