/** Starts a Kafka broker, which is its own controller, on free loopback ports with fresh data. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { javaHome, run } from '../install/cache.js'
import { freePort } from '../running.js'

const READY_TIMEOUT_MS = 120_000
const STARTED = 'Kafka Server started'

function properties(port, controllerPort, data) {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=${data}
auto.create.topics.enable=false
num.partitions=6
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
background.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
log.segment.bytes=67108864
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.segment.bytes=10485760
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.segment.bytes=10485760
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
`
}

export async function startKafka(folder, work) {
  const home = mkdtempSync(join(work, 'kafka-'))
  const data = join(home, 'data')
  mkdirSync(data)
  const [port, controllerPort] = [await freePort(), await freePort()]
  const config = join(home, 'server.properties')
  writeFileSync(config, properties(port, controllerPort, data))
  const java = join(javaHome(17), 'bin', 'java')
  const jars = join(folder, 'libs', '*')
  const cluster = randomBytes(16).toString('base64url')
  // A leading hyphen would be taken for an option.
  const id = cluster.replace(/^-/, 'A')
  const format = ['kafka.tools.StorageTool', 'format', '-t', id, '-c', config]
  await run(java, ['-Xmx64m', '-XX:TieredStopAtLevel=1', '-cp', jars, ...format])

  let child
  let ended = Promise.resolve()
  const log = join(home, 'server.log')

  async function start() {
    const out = openSync(log, 'w')
    const memory = ['-Xms64m', '-Xmx160m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    child = spawn(
      java,
      [...memory, '-Dorg.slf4j.simpleLogger.showDateTime=true', '-cp', jars, 'kafka.Kafka', config],
      { cwd: home, stdio: ['ignore', out, out] },
    )
    closeSync(out)
    let over = false
    ended = new Promise((resolve) => {
      child.on('close', () => {
        over = true
        resolve()
      })
      child.on('error', () => {
        over = true
        resolve()
      })
    })
    const from = Date.now()
    while (!readFileSync(log, 'utf8').includes(STARTED)) {
      if (over || Date.now() - from > READY_TIMEOUT_MS) {
        child.kill('SIGKILL')
        throw new Error(`Kafka did not start:\n${readFileSync(log, 'utf8').slice(-3000)}`)
      }
      await sleep(50)
    }
  }

  async function end(signal) {
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(late)
  }

  await start()
  return {
    name: 'kafka',
    url: `127.0.0.1:${port}`,
    start,
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
    kill: () => child.kill('SIGKILL'),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  }
}
