/** Many writers in several processes on one folder: nothing is lost, nothing is doubled. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { schema, t } from '../../../src/index.ts'
import { expectSound, localLake, memoryLake } from '../../support/lakes.ts'

const WORKER = fileURLToPath(new URL('../../fixtures/append-worker.js', import.meta.url))
const PROCESSES = 16
const COMMITS = 25
const rows = schema({ writer: t.int(), n: t.int() })

interface Writer {
  readonly child: ChildProcess
  readonly acknowledged: string[]
  readonly ended: Promise<number | null>
}

function startWriter(location: string, table: string, writer: number, commits: number): Writer {
  const child = spawn(
    process.execPath,
    [WORKER, location, table, String(writer), String(commits)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const acknowledged: string[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    acknowledged.push(line)
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, acknowledged, ended }
}

describe('concurrent writers', () => {
  it(`${PROCESSES} processes × ${COMMITS} commits on one table in one folder lose nothing`, async () => {
    const lake = await localLake()
    const table = await lake.createTable('x.events', rows, {
      properties: {
        'commit.retry.num-retries': '1000',
        'commit.retry.min-wait-ms': '5',
        'commit.retry.max-wait-ms': '100',
        'write.metadata.previous-versions-max': '5',
      },
    })
    const writers = Array.from({ length: PROCESSES }, (_, w) =>
      startWriter(lake.location, 'x.events', w, COMMITS),
    )
    try {
      const codes = await Promise.all(writers.map((w) => w.ended))
      expect(codes).toEqual(codes.map(() => 0))
    } finally {
      for (const { child } of writers) if (child.exitCode === null) child.kill('SIGKILL')
    }
    const latest = await table.refresh()
    const found = (await latest.scan().toArray()).map((r) => `${r.writer}/${r.n}`).sort()
    const expected = Array.from({ length: PROCESSES }, (_, w) =>
      Array.from({ length: COMMITS }, (_, n) => `${w}/${n}`),
    ).flat()
    expect(found).toEqual(expected.sort())
    expect(latest.snapshots()).toHaveLength(PROCESSES * COMMITS)
    for (const [i, snapshot] of latest.snapshots().entries()) {
      expect(snapshot.parentSnapshotId).toBe(latest.snapshots()[i - 1]?.snapshotId)
    }
    const report = await latest.fsck({ allSnapshots: false })
    expect(report.problems).toEqual([])
  }, 180_000)

  it('a writer killed at any moment leaves a sound table with every acknowledged row', async () => {
    const lake = await localLake()
    const table = await lake.createTable('x.events', rows)
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round++) {
      const writer = startWriter(lake.location, 'x.events', round, 1000)
      while (writer.acknowledged.length < 3 + round) await new Promise((r) => setTimeout(r, 5))
      writer.child.kill('SIGKILL')
      await writer.ended
      acknowledged.push(...writer.acknowledged)
      await expectSound(await table.refresh())
    }
    const found = new Set(
      (await (await table.refresh()).scan().toArray()).map((r) => `${r.writer} ${r.n}`),
    )
    for (const line of acknowledged) expect(found).toContain(line.split(' ').slice(1, 3).join(' '))
    expect(found.size).toBeLessThanOrEqual(acknowledged.length + 5)
  }, 120_000)

  it('a writer stopped (SIGSTOP) while others commit rebases when it goes on', async () => {
    const lake = await localLake()
    const table = await lake.createTable('x.events', rows)
    const writer = startWriter(lake.location, 'x.events', 9, 60)
    while (writer.acknowledged.length < 5) await new Promise((r) => setTimeout(r, 5))
    writer.child.kill('SIGSTOP')
    const mine = await lake.table('x.events')
    for (let n = 0; n < 10; n++) await mine.append([{ writer: 1, n }])
    writer.child.kill('SIGCONT')
    expect(await writer.ended).toBe(0)
    expect(writer.acknowledged).toHaveLength(60)
    const latest = await table.refresh()
    expect(await latest.scan().count()).toBe(70)
    await expectSound(latest)
  }, 120_000)

  it('parallel appends through one lake wait for each other instead of failing', async () => {
    const lake = await memoryLake()
    await lake.createTable('x.events', rows)
    const tables = await Promise.all(Array.from({ length: 20 }, () => lake.table('x.events')))
    await Promise.all(tables.map((handle, w) => handle.append([{ writer: w, n: 0 }])))
    const latest = await lake.table('x.events')
    expect(await latest.scan().count()).toBe(20)
    await expectSound(latest)
  })
})
