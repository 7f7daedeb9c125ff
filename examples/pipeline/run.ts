/**
 * The pipeline as a program: generator → topic → stream → tables, a catalog for other engines meanwhile, a check at the
 * end. `npm start -- --help` explains the flags. Exit codes: 0 all well, 1 something failed or the check found something,
 * 2 wrong flags.
 */
import { rmdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Lake, openLake } from 'floe'
import { serveCatalog } from 'floe/serve'
import { HELP, readFlags, type Settings, UsageError } from './flags.ts'
import { EventGenerator } from './generator.ts'
import { type LiveResult, runLive } from './live.ts'
import { topVideos } from './top-videos.ts'
import type { Topic } from './topic.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let settings: Settings | undefined
  try {
    settings = readFlags(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\nnpm start -- --help explains the flags`)
    return 2
  }
  if (settings === undefined) {
    console.log(HELP)
    return 0
  }
  const stop = new AbortController()
  let scratch: string | undefined
  let isAsked = false
  const onSignal = (): void => {
    if (isAsked) {
      tellLeft(scratch)
      process.exit(130)
    }
    isAsked = true
    console.log(
      '\nStopping: the batch under way is finished, then all is checked. Once more to exit at once',
    )
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // Whoever read the output has gone, as `head` does: nobody waits for more of the run. What is written from here on is lost.
  process.stdout.on('error', () => stop.abort())
  try {
    if (settings.lake === undefined) {
      // No other run has this folder, or removes it.
      scratch = await mkdtemp(join(tmpdir(), 'floe-pipeline-'))
      // Engines that read the tables meanwhile may be other users.
      await chmod(scratch, 0o755)
    }
    const isWell = await runPipeline(settings, scratch, stop.signal)
    if (!isWell) tellLeft(scratch)
    else if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
    return isWell ? 0 : 1
  } catch (error) {
    console.error(`\nThe pipeline has failed: ${(error as Error).message}`)
    tellLeft(scratch)
    return 1
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

function tellLeft(scratch: string | undefined): void {
  if (scratch === undefined) return
  try {
    // Where it failed before anything was made.
    rmdirSync(scratch)
  } catch {
    console.log(`\nWhat there is of this run is left in ${scratch}`)
  }
}

/** @param scratch for what the settings name no place for. @returns whether the check found nothing */
async function runPipeline(
  settings: Settings,
  scratch: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const at = (name: string): string => join(scratch as string, name)
  const location = settings.lake ?? at('lake')
  const s3 = location.startsWith('s3:') ? settings.s3 : undefined
  const opened: { close(): Promise<void> }[] = []
  try {
    const topic = await openTopic(settings, () => settings.log ?? at('log'))
    opened.push(topic)
    const lake = await openLake(location, { s3 })
    opened.push(lake)
    console.log(`Events: ${topic.description}\nLake:   ${location}`)
    if (scratch !== undefined) {
      console.log('        removed at the end if all is well: give --lake DIR to keep it')
    }
    if (settings.catalogPort !== undefined) {
      const server = await serveCatalog({ lake, port: settings.catalogPort, s3 })
      opened.push(server)
      console.log(`Tables: Iceberg REST catalog at ${server.url}`)
    }
    console.log()
    const result = await runLive({
      lake,
      source: topic.source,
      sink: topic.sink,
      generator: settings.rate === 0 ? undefined : new EventGenerator(settings.generator),
      rate: settings.rate,
      forMs: settings.forMs,
      trigger: { intervalMs: settings.triggerMs },
      signal,
      out: process.stdout,
    })
    report(result)
    tellUnread(result, settings)
    await printTop(lake)
    tellPlace(location, settings)
    return result.checks.every(({ problems }) => problems.length === 0)
  } finally {
    for (const resource of opened.reverse()) await resource.close()
  }
}

function tellUnread({ batches, sent, unread }: LiveResult, settings: Settings): void {
  const { lake, log, kafka, rate } = settings
  const texts: string[] = []
  if (batches === 0) texts.push('The run was over before its first commit.')
  if (batches === 0 && sent === 0)
    texts.push(rate === 0 ? 'Nothing was read.' : 'Nothing was sent.')
  if (unread === undefined) texts.push('The topic does not say how much of it is unread.')
  else if (unread > 0) {
    const isKept = log !== undefined || kafka !== undefined
    texts.push(
      `${unread.toLocaleString('en')} records of the topic are unread`,
      isKept
        ? lake === undefined
          ? 'and stay there.'
          : 'and the next run on this lake goes on with them.'
        : 'and go with the log of this run: --lake DIR keeps one.',
    )
  }
  if (texts.length > 0) console.log(`\n${texts.join(' ')}`)
}

/** What to do next to look at the tables. */
function tellPlace(location: string, { lake, s3 }: Settings): void {
  if (lake === undefined) {
    console.log('\nTo keep the tables, and serve them to other engines after a run: --lake DIR')
    return
  }
  const isS3 = location.startsWith('s3:')
  const words = [isS3 ? location : resolve(location)]
  if (isS3 && s3.endpoint !== undefined) words.push('--s3-endpoint', s3.endpoint)
  if (isS3 && s3.region !== undefined) words.push('--s3-region', s3.region)
  console.log(
    `\nTo serve the tables to other engines: npx floe serve ${words.map(quoted).join(' ')}`,
  )
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

async function printTop(lake: Lake): Promise<void> {
  const videos = await topVideos(lake, 10, Date.now())
  if (videos.length === 0) return
  console.log('\nThe ten videos with the highest scores now')
  for (const { videoId, score, velocity, events } of videos) {
    const columns = [
      videoId.padEnd(10),
      `score ${score.toFixed(1).padStart(10)}`,
      `velocity ${velocity.toFixed(1).padStart(9)}`,
      `events ${events.toLocaleString('en')}`,
    ]
    console.log(`  ${columns.join('  ')}`)
  }
}

/** What is not used is not loaded: kafkajs may not be installed. */
async function openTopic(settings: Settings, log: () => string): Promise<Topic> {
  const { kafka, topic, partitions, group } = settings
  const sends = settings.rate > 0
  if (kafka === undefined) {
    const { openEmbeddedTopic } = await import('./embedded-topic.ts')
    return openEmbeddedTopic({ folder: log(), topic, partitions, sends })
  }
  const { openKafkaTopic } = await import('./kafka-topic.ts')
  return openKafkaTopic({ brokers: kafka, topic, group, partitions, sends })
}

function report({ rows, bytes, batches, seconds, folded, checks }: LiveResult): void {
  const n = (value: number): string => Math.round(value).toLocaleString('en')
  const mib = bytes / 1024 / 1024
  console.log(
    `\n${n(rows)} events of ${n(mib)} MiB in ${n(batches)} commits and ${seconds.toFixed(1)} s. In Gold ${n(folded.folded)} were folded, ${n(folded.ignored)} had no video, type or time, no time of their record, or not their video as the key, ${n(folded.ahead)} were from the future\n`,
  )
  console.log('Check')
  for (const { name, problems, detail } of checks) {
    console.log(`  ${problems.length === 0 ? 'holds ' : 'BROKEN'} ${name}: ${detail}`)
    for (const problem of problems) console.log(`         ${problem}`)
  }
}
