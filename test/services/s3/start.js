/** Starts S3 servers on free loopback ports with their data in a given folder. */
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { javaHome } from '../install/cache.js'
import { VERSIONS } from '../install/parts.js'
import { freePort, running } from '../running.js'

/** The keys that all of them accept. */
export const S3_KEYS = { accessKeyId: 'floe', secretAccessKey: 'floe-secret' }

const READY_TIMEOUT_MS = 60_000

async function startServer(name, work, command, args, options) {
  const log = join(work, `${name}.log`)
  const child = spawn(command, args, {
    cwd: work,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const out = createWriteStream(log)
  child.stdout.pipe(out)
  child.stderr.pipe(out)
  let failure
  child.on('error', (error) => {
    failure = error.message
  })
  child.on('close', (code) => {
    failure ??= `it ended with ${code}`
  })
  const server = running(name, child, options.url)
  const started = Date.now()
  for (;;) {
    if (failure !== undefined || Date.now() - started > READY_TIMEOUT_MS) {
      server.kill()
      throw new Error(
        `${name} did not start: ${failure ?? 'no answer'}\n${readFileSync(log, 'utf8').slice(-3000)}`,
      )
    }
    try {
      const answer = await fetch(options.url + (options.health ?? '/'))
      await answer.arrayBuffer()
      // Without a health check of its own any answer will do, also that the request is not signed.
      if (options.health === undefined || answer.ok) return server
    } catch {
      // Not listening yet.
    }
    await sleep(30)
  }
}

function folderIn(work, ...names) {
  const folder = join(work, ...names)
  mkdirSync(folder, { recursive: true })
  return folder
}

export async function startVersityGw(folder, work) {
  const port = await freePort()
  const [data, meta] = [folderIn(work, 'versitygw', 'data'), folderIn(work, 'versitygw', 'meta')]
  const keys = ['--access', S3_KEYS.accessKeyId, '--secret', S3_KEYS.secretAccessKey]
  return startServer(
    'versitygw',
    work,
    join(folder, 'bin', 'versitygw'),
    ['--port', `127.0.0.1:${port}`, ...keys, '--quiet', 'posix', '--sidecar', meta, data],
    { url: `http://127.0.0.1:${port}` },
  )
}

export async function startMinio(folder, work) {
  const port = await freePort()
  return startServer(
    'minio',
    work,
    join(folder, 'bin', 'minio'),
    ['server', '--quiet', '--address', `127.0.0.1:${port}`, folderIn(work, 'minio')],
    {
      url: `http://127.0.0.1:${port}`,
      health: '/minio/health/ready',
      env: {
        MINIO_ROOT_USER: S3_KEYS.accessKeyId,
        MINIO_ROOT_PASSWORD: S3_KEYS.secretAccessKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
        GOMEMLIMIT: '256MiB',
      },
    },
  )
}

export async function startMoto(folder, work) {
  const port = await freePort()
  return startServer(
    'moto',
    work,
    join(folder, 'bin', 'moto_server'),
    ['-H', '127.0.0.1', '-p', String(port)],
    { url: `http://127.0.0.1:${port}` },
  )
}

export async function startS3Mock(folder, work) {
  const [port, tls] = [await freePort(), await freePort()]
  return startServer(
    's3mock',
    work,
    join(javaHome(17), 'bin', 'java'),
    [
      '-Xmx256m',
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Dserver.address=127.0.0.1',
      `-Dhttp.port=${port}`,
      `-Dserver.port=${tls}`,
      `-Dcom.adobe.testing.s3mock.store.root=${folderIn(work, 's3mock')}`,
      '-jar',
      join(folder, `s3mock-${VERSIONS.s3mock}-exec.jar`),
    ],
    { url: `http://127.0.0.1:${port}` },
  )
}
