/** docs/streaming.md has every metric of a stream, and no other. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const names = (text: string): string[] =>
  [...new Set([...text.matchAll(/floe_stream_[a-z_]+/g)].map((m) => m[0]))].sort()

describe('docs/streaming.md', () => {
  it('has the metrics that there are', () => {
    expect(names(read('docs/streaming.md'))).toEqual(names(read('src/stream/stream-metrics.ts')))
  })
})
