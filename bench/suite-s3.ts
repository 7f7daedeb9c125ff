/** Suite `s3`: commits of one row to a lake on versitygw: their time, and the requests that follow each other. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installedPart, ROOT } from './installed.js'
import { type Figure, inChild, median, quantile, temporaryFolder } from './measure.js'

interface Commits {
  readonly ms: readonly number[]
  /** By commit: what was asked for, in groups that follow each other. */
  readonly requests: readonly (readonly string[])[]
}

interface S3Result {
  readonly putMs: readonly number[]
  readonly append: Commits
  readonly upsert: Commits
  readonly delta: Commits
}

interface S3Start {
  readonly S3_KEYS: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly startVersityGw: (folder: string, work: string) => Promise<S3Server>
}

interface S3Server {
  readonly url: string
  readonly stop: () => Promise<void>
  readonly kill: () => void
}

const MOST_REQUESTS = 6

/** @param script gives the compiled path of a child of this folder */
export async function s3Suite(script: (name: string) => string, quick: boolean): Promise<Figure[]> {
  const gateway = installedPart('versitygw')
  if (gateway === undefined) {
    return [{ name: 'commits on S3', value: 'not measured: versitygw is not installed' }]
  }
  const commits = quick ? 20 : 100
  const { S3_KEYS, startVersityGw } = (await import(
    pathToFileURL(join(ROOT, 'test', 'services', 's3', 'start.js')).href
  )) as S3Start
  const folder = temporaryFolder()
  try {
    const server = await startVersityGw(gateway, folder.path)
    process.on('exit', server.kill)
    try {
      const result = await inChild<S3Result>(
        script('s3-commits'),
        [server.url, 'floe-bench', String(commits)],
        {
          AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
          AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
        },
      )
      const put = { ms: median(result.putMs), times: result.putMs.length }
      return [
        ...commitFigures('append', result.append, put),
        ...commitFigures('upsert (file written anew)', result.upsert, put),
        ...commitFigures('upsert (merge-on-read)', result.delta, put),
      ]
    } finally {
      await server.stop()
      process.off('exit', server.kill)
    }
  } finally {
    folder.remove()
  }
}

function commitFigures(
  name: string,
  { ms, requests }: Commits,
  put: { readonly ms: number; readonly times: number },
): Figure[] {
  const p50 = quantile(ms, 0.5)
  const kinds = new Map<string, number>()
  for (const r of requests) {
    const text = `${r.length}: ${r.join(', ')}`
    kinds.set(text, (kinds.get(text) ?? 0) + 1)
  }
  const most = Math.max(...requests.map((r) => r.length))
  const byOften = [...kinds].sort((a, b) => b[1] - a[1])
  return [
    {
      name: `one-row ${name} on versitygw, p50 of ${ms.length}`,
      value: `${p50.toFixed(1)} ms (p99 ${quantile(ms, 0.99).toFixed(1)} ms)`,
      peer: `one put by the SDK ${put.ms.toFixed(1)} ms (p50 of ${put.times}, ×${(p50 / put.ms).toFixed(1)})`,
    },
    {
      name: `the same, most requests one after the other in ${requests.length} commits`,
      value: String(most),
      bar: `≤ ${MOST_REQUESTS}`,
      reached: most <= MOST_REQUESTS,
      notes: byOften.map(([text, count]) => `${count} of ${requests.length} commits ${text}`),
    },
  ]
}
