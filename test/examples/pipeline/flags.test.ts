/** Flags: what is read, what is refused, and that the help explains every one. */
import { expect, it } from 'vitest'
import { HELP, readFlags } from '../../../examples/pipeline/flags.ts'

it('has defaults that need no service', () => {
  expect(readFlags([])).toMatchObject({
    lake: undefined,
    log: undefined,
    kafka: undefined,
    topic: 'content_events',
    rate: 20_000,
    forMs: 20_000,
    triggerMs: 1000,
    catalogPort: 0,
  })
})

it('reads services, times and shares', () => {
  const args =
    '--kafka a:9092,b:9093 --s3 s3://lake/events --s3-endpoint http://127.0.0.1:9000 --for 10m --rate max --trigger 10s --late 0.5 --catalog-port off'
  expect(readFlags(args.split(' '))).toMatchObject({
    lake: 's3://lake/events',
    s3: { endpoint: 'http://127.0.0.1:9000' },
    kafka: ['a:9092', 'b:9093'],
    forMs: 600_000,
    rate: Number.POSITIVE_INFINITY,
    triggerMs: 10_000,
    generator: { lateShare: 0.5 },
    catalogPort: undefined,
  })
  expect(readFlags(['--for', 'forever'])?.forMs).toBe(Number.POSITIVE_INFINITY)
})

it('keeps a log with each lake that is kept', () => {
  const places = (args: string): unknown => {
    const { lake, log } = readFlags(args.split(' ')) ?? {}
    return { lake, log }
  }
  expect(places('--lake /data')).toEqual({ lake: '/data/lake', log: '/data/log' })
  expect(places('--lake /data --log /log')).toEqual({ lake: '/data/lake', log: '/log' })
  expect(places('--s3 s3://b/p --log /log')).toEqual({ lake: 's3://b/p', log: '/log' })
  // The tables begin with what is in the log.
  expect(places('--log /log')).toEqual({ lake: undefined, log: '/log' })
})

it.each([
  ['--nonsense', 'nonsense'],
  ['--rate fast', '--rate fast is no whole number'],
  ['--for 20', '--for 20 is no time'],
  ['--trigger 50ms', '--trigger 50ms is no time of 100 ms'],
  ['--trigger 25h', '--trigger 25h is no time of 100 ms to 24 hours'],
  ['--for 600h', '--for 600h is no time of 1 ms to 24 days'],
  ['--topic a/b', '--topic a/b cannot name a topic'],
  ['--topic .a', '--topic .a cannot name a topic'],
  ['--kafka a:1 --topic ..', '--topic .. cannot name a topic'],
  ['--late 1.5', '--late 1.5 is no share'],
  ['--kafka localhost', '--kafka localhost is no broker'],
  ['--kafka a:99999', '--kafka a:99999 is no broker: write HOST:PORT, with a port from 1 to 65535'],
  ['--kafka a:1,b:0', '--kafka b:0 is no broker'],
  ['--lake=', '--lake names no folder'],
  ['--group=', '--group is empty'],
  ['--partitions 257', '--partitions 257 is no whole number from 1 to 256'],
  ['--duplicates 0.6 --malformed 0.6', '--duplicates 0.6 and --malformed 0.6 are more than'],
  ['--s3 s3://b/p --log l --s3-endpoint junk', '--s3-endpoint junk is no URL'],
  ['--s3 s3://b/p --log l --s3-endpoint=', '--s3-endpoint  is no URL'],
  ['--s3 s3://b/p --log l --s3-region=', '--s3-region is empty'],
  ['--log=', '--log names no folder'],
  ['--lake /dev/null', '--lake /dev/null wants a folder, and /dev/null is a file'],
  ['--log /dev/null/x', '--log /dev/null/x wants a folder, and /dev/null is a file'],
  ['--kafka a:1 --log /x', 'two places for one topic'],
  ['--lake /x --s3 s3://b/p', 'two places for one lake'],
  ['--s3-endpoint http://x', 'add --s3'],
  ['--s3 s3://b/p', 'add --kafka HOST:PORT or --log DIR'],
  ['--s3 bucket/prefix', 'is no location'],
])('refuses %s', (args, message) => {
  expect(() => readFlags(args.split(' '))).toThrow(message)
})

it('takes the names of topics that there are', () => {
  expect(() => readFlags(['--topic', 'a b'])).toThrow('--topic a b cannot name a topic')
  expect(readFlags(['--topic', 'a.b_c-1'])?.topic).toBe('a.b_c-1')
  expect(readFlags('--kafka a:1 --topic .a'.split(' '))?.topic).toBe('.a')
})

it('explains every flag', () => {
  expect(readFlags(['--help'])).toBeUndefined()
  const source = readFlags.toString() + HELP
  for (const flag of source.matchAll(/--([a-z][a-z0-9-]+)/g)) expect(HELP).toContain(`--${flag[1]}`)
  for (const line of HELP.split('\n')) expect(line.length).toBeLessThanOrEqual(125)
})
