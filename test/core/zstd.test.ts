/** Zstandard: frames that the reference encoder made, and frames made to harm. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { zstdDecompress } from '../../src/core/zstd.ts'
import { startCpuTimer } from '../support/cpu-time.ts'

const fixtures = JSON.parse(
  readFileSync(new URL('zstd-fixtures.json', import.meta.url), 'utf8'),
) as Record<string, string>
const fixture = (name: string): Uint8Array =>
  new Uint8Array(Buffer.from(fixtures[name] ?? '', 'base64'))

/** The generator that made the contents of the fixtures. */
function* numbers(seed: number): Generator<number, never, undefined> {
  for (let x = BigInt(seed); ; ) {
    x = (x * 1103515245n + 12345n) & 0x7fff_ffffn
    yield Number(x >> 8n)
  }
}

const WORDS = [
  'alpha',
  'beta',
  'gamma',
  'delta',
  '/data/',
  '.parquet',
  '-00001',
  '=2026',
  '\n',
  ' ',
]
const contents: Readonly<Record<string, (length: number, seed: number) => Uint8Array>> = {
  words: (length, seed) => {
    const next = numbers(seed)
    let text = ''
    while (text.length < length) text += WORDS[next.next().value % WORDS.length]
    return new TextEncoder().encode(text.slice(0, length))
  },
  skew: (length, seed) => {
    const next = numbers(seed)
    return Uint8Array.from({ length }, () => {
      let rest = next.next().value % 1000
      let symbol = 0
      while (rest >= 8 && symbol < 40) {
        rest = Math.floor(rest / 2)
        symbol++
      }
      return symbol < 26 ? 97 + symbol : symbol
    })
  },
  noise: (length, seed) => {
    const next = numbers(seed)
    return Uint8Array.from({ length }, () => next.next().value & 255)
  },
}

function content(name: string): Uint8Array {
  const [kind, length, seed] = name.split(' ') as [string, string, string]
  const make = contents[kind]
  if (make === undefined) throw new Error(name)
  return make(Number(length), Number(seed))
}

const named = Object.keys(fixtures).filter((name) => name.includes(' '))
const concat = (...parts: Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]))

describe('zstd', () => {
  it.each(named)('decodes %s', (name) => {
    expect(zstdDecompress(fixture(name), 1 << 20)).toEqual(content(name))
  })

  it('decodes several frames with a skippable one between them', () => {
    expect(zstdDecompress(fixture('two'), 1 << 20)).toEqual(
      concat(content('words 500 7'), content('words 700 8')),
    )
  })

  it('decodes runs and nothing', () => {
    expect(zstdDecompress(fixture('rle'), 1 << 20)).toEqual(new Uint8Array(300_000).fill(120))
    expect(zstdDecompress(fixture('empty'), 10)).toEqual(new Uint8Array(0))
    expect(zstdDecompress(new Uint8Array(0), 10)).toEqual(new Uint8Array(0))
  })

  it('makes no more than it may', () => {
    expect(zstdDecompress(fixture('rle'), 299_999)).toBe('too-large')
    expect(zstdDecompress(fixture('rle'), 300_000)).toHaveLength(300_000)
    const unsized = fixture('words 40 6')
    expect(zstdDecompress(unsized, 39)).toBe('too-large')
    expect(zstdDecompress(unsized, 40)).toHaveLength(40)
  })

  it('calls every cut frame corrupt', () => {
    for (const name of ['skew 3000 3', 'words 40 6', 'words 6000 2']) {
      const whole = fixture(name)
      for (let cut = 1; cut < whole.length; cut += 7) {
        expect(zstdDecompress(whole.subarray(0, cut), 1 << 20)).toBe('corrupt')
      }
    }
  })

  it('ends soon for sequences that would copy gigabytes', () => {
    // One compressed block of 33,512 sequences of the longest match and literals, in 26 bytes: a decoder that does
    // as it is told takes a minute.
    const body = [
      9, 0x41, 255, 0xe8, 0x03, 0b0101_0100, 35, 0, 52, 0x80, 255, 255, 255, 255, 255, 1,
    ]
    const header = (body.length << 3) | 0b101
    const frame = Uint8Array.of(
      ...[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38],
      ...[header & 255, header >> 8, 0],
      ...body,
    )
    const cpuMs = startCpuTimer()
    expect(zstdDecompress(frame, 1 << 26)).toBe('corrupt')
    expect(cpuMs()).toBeLessThan(200)
  })

  it('answers changed frames at once: bytes within the bound, too large, or corrupt', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...named),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (name, changes) => {
          const frame = fixture(name)
          for (const [at, value] of changes) frame[at % frame.length] = value
          const cpuMs = startCpuTimer()
          const result = zstdDecompress(frame, 1 << 20)
          expect(cpuMs()).toBeLessThan(1_000)
          if (typeof result === 'string') expect(['too-large', 'corrupt']).toContain(result)
          else expect(result.length).toBeLessThanOrEqual(1 << 20)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
