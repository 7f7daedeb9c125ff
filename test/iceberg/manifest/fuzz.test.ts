/**
 * Changed manifests and manifest lists: only typed errors, at most a second and bounded memory each (reliability.md
 * S10). `FLOE_FUZZ_RUNS` raises the number of inputs; `FLOE_FUZZ_SEED` repeats a run.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS as limits } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import { AvroSink } from '../../../src/iceberg/avro/sink.ts'
import type { ManifestFile } from '../../../src/iceberg/manifest/entry.ts'
import { inlineManifest } from '../../../src/iceberg/manifest/inline-manifest.ts'
import { readManifestList } from '../../../src/iceberg/manifest/manifest-list-reader.ts'
import { writeManifestList } from '../../../src/iceberg/manifest/manifest-list-writer.ts'
import { readManifest } from '../../../src/iceberg/manifest/manifest-reader.ts'
import { toManifestFile, writeManifest } from '../../../src/iceberg/manifest/manifest-writer.ts'
import {
  type PartitionTupleField,
  partitionFields,
} from '../../../src/iceberg/manifest/partition-fields.ts'
import { corpusPath, corpusPresent } from '../../support/corpus.ts'
import { startCpuTimer } from '../../support/cpu-time.ts'
import { manifestCases } from './arbitrary-entries.ts'

const RUNS = Number(process.env['FLOE_FUZZ_RUNS'] ?? 3_000)
const SEED = Number(process.env['FLOE_FUZZ_SEED'] ?? systemRuntime.now() % 0x7fff_ffff)
const MAX_MS = 1_000
const MAX_GROWTH_BYTES = 512 * 1024 * 1024

interface Base {
  readonly name: string
  readonly bytes: Uint8Array
  readonly partition: readonly PartitionTupleField[]
}

/** A generator of its own, so that a seed repeats a run. */
class Dice {
  private state: number

  constructor(seed: number) {
    this.state = seed | 1
  }

  below(limit: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.state / 2 ** 32) * limit)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}

/** Manifests and lists of ours, of all shapes, and of the corpus where it is present. */
function bases(): Base[] {
  const made = fc.sample(manifestCases(5), { numRuns: 30, seed: SEED }).flatMap((c): Base[] => {
    const { bytes, summary } = writeManifest({ ...c, runtime: systemRuntime })
    const line: ManifestFile = {
      ...toManifestFile(
        { manifestLength: bytes.byteLength, summary },
        { manifestPath: 'memory://t/m0.avro', sequenceNumber: 2000 },
      ),
      ...(c.formatVersion === 3 && c.content === 'data' ? { firstRowId: 5n } : {}),
    }
    const list = writeManifestList({
      formatVersion: c.formatVersion,
      snapshotId: c.snapshotId,
      sequenceNumber: 2000,
      ...(c.formatVersion === 3 ? { firstRowId: 0n } : {}),
      manifests: [line],
      runtime: systemRuntime,
    })
    const partition = partitionFields(c.spec, [c.schema])
    return [
      { name: 'manifest', bytes, partition },
      { name: 'list', bytes: list, partition },
    ]
  })
  if (!corpusPresent) return made
  const root = corpusPath('tables')
  const found = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.avro'))
    .filter((_, i) => i % 7 === 0)
    .map((path) => ({
      name: path,
      bytes: new Uint8Array(readFileSync(join(root, path))),
      partition: [],
    }))
  return [...made, ...found.filter(({ bytes }) => bytes.length < 50_000)]
}

/** The same records without compression, so that changes reach them. */
function uncompressed(base: Base): Base {
  const container = new AvroContainer(base.bytes, base.name, limits)
  const sink = new AvroSink()
  const marker = new Uint8Array(16).fill(1)
  sink.writeFixed(Uint8Array.of(0x4f, 0x62, 0x6a, 1))
  sink.writeLong(container.metadata.size)
  for (const [key, value] of container.metadata) {
    sink.writeString(key)
    sink.writeBytes(key === 'avro.codec' ? new TextEncoder().encode('null') : value)
  }
  sink.writeLong(0)
  sink.writeFixed(marker)
  for (const { count, cursor } of container.blocks()) {
    sink.writeLong(count)
    sink.writeBytes(cursor.bytes)
    sink.writeFixed(marker)
  }
  return { ...base, bytes: sink.toBytes() }
}

const VALUES = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xfe, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0x01],
  [0x00],
  [0x7f],
  [0xc0, 0x84, 0x3d],
]
const WORDS: ReadonlyArray<readonly [string, string]> = [
  ['"long"', '"null"'],
  ['"int"', '"string"'],
  ['"string"', '"bytes"'],
  ['"array"', '"map"'],
  ['"items"', '"values"'],
  ['"null"', '"r2"'],
  ['"long"', '{"type":"fixed","name":"x","size":9}'],
  ['field-id":1', 'field-id":5'],
  ['deflate', 'snappy'],
  ['"default":null', '"default":[]'],
  ['"type":"record"', '"type":"enum"'],
]

function change(bytes: Uint8Array, dice: Dice): Uint8Array {
  let out = [...bytes]
  for (let n = 1 + dice.below(4); n > 0; n--) {
    const at = dice.below(out.length)
    switch (dice.below(7)) {
      case 0:
        out[at] = dice.below(256)
        break
      case 1:
        out[at] = (out[at] as number) ^ (1 << dice.below(8))
        break
      case 2: {
        const value = dice.pick(VALUES)
        out.splice(at, dice.below(2) === 0 ? value.length : 0, ...value)
        break
      }
      case 3:
        out.splice(at, 1 + dice.below(20))
        break
      case 4:
        out.splice(at, 0, ...out.slice(at, at + 1 + dice.below(200)))
        break
      case 5:
        out = [...replaceWord(Uint8Array.from(out), dice.pick(WORDS), dice)]
        break
      default:
        out.length = at
    }
    if (out.length === 0) return new Uint8Array(0)
  }
  return Uint8Array.from(out)
}

/** Replaces one occurrence; the length of the header entry that holds it is left as it is, or set right. */
function replaceWord(
  bytes: Uint8Array,
  [from, to]: readonly [string, string],
  dice: Dice,
): Uint8Array {
  const buffer = Buffer.from(bytes)
  const places: number[] = []
  for (let at = buffer.indexOf(from); at >= 0; at = buffer.indexOf(from, at + 1)) places.push(at)
  if (places.length === 0) return bytes
  const at = dice.pick(places)
  // Padding keeps the text at its length, so that the schema still parses.
  const text = to.length < from.length ? to + ' '.repeat(from.length - to.length) : to
  return Buffer.concat([
    buffer.subarray(0, at),
    Buffer.from(text),
    buffer.subarray(at + from.length),
  ])
}

function manifestLine(content: 'data' | 'deletes', firstRowId: bigint | undefined): ManifestFile {
  return {
    manifestPath: 'fuzz/m0.avro',
    manifestLength: 1,
    partitionSpecId: 0,
    content,
    sequenceNumber: 2000,
    minSequenceNumber: 0,
    addedSnapshotId: 1n,
    firstRowId,
  }
}

/** Everything that reads a file; each must end with a result or a typed error. */
function readers({ bytes, partition }: Base, dice: Dice): ReadonlyArray<() => unknown> {
  const manifest = manifestLine(dice.pick(['data', 'deletes']), dice.pick([undefined, 7n]))
  const metrics = dice.pick(['none', 'all', new Set([1, 2])] as const)
  return [
    () => readManifestList(bytes, { file: 'fuzz/snap.avro', limits }),
    () => {
      let count = 0
      for (const entry of readManifest(bytes, { manifest, partition, limits, metrics })) {
        count += entry.file.filePath.length
      }
      return count
    },
    () => inlineManifest(bytes, { manifestPath: 'fuzz/m0.avro', snapshotId: 1n, limits }),
  ]
}

describe(`changed manifests and lists (FLOE_FUZZ_SEED=${SEED}, FLOE_FUZZ_RUNS=${RUNS})`, () => {
  it('give typed errors within a second and bounded memory', {
    timeout: 60_000 + RUNS * 20,
  }, () => {
    const originals = bases()
    const pool = [...originals, ...originals.map(uncompressed), ...originals.map(uncompressed)]
    const dice = new Dice(SEED)
    const before = process.memoryUsage.rss()
    const codes = new Map<string, number>()
    for (let run = 0; run < RUNS; run++) {
      const base = dice.pick(pool)
      const changed: Base = { ...base, bytes: change(base.bytes, dice) }
      for (const read of readers(changed, dice)) {
        const cpuMs = startCpuTimer()
        let outcome = 'read'
        try {
          read()
        } catch (error) {
          const where = {
            run,
            base: base.name,
            bytes: Buffer.from(changed.bytes).toString('base64'),
          }
          if (!isFloeError(error)) throw new Error(JSON.stringify(where), { cause: error })
          outcome = error.code
          // Messages name the file, and no message is longer than a person reads.
          expect(error.message).toContain('fuzz/')
          expect(error.message.length).toBeLessThan(600)
        }
        expect(cpuMs()).toBeLessThan(MAX_MS)
        codes.set(outcome, (codes.get(outcome) ?? 0) + 1)
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(MAX_GROWTH_BYTES)
    const expected = [
      'read',
      'CORRUPT_AVRO',
      'CORRUPT_MANIFEST',
      'LIMIT_EXCEEDED',
      'UNSUPPORTED_CODEC',
    ]
    expect([...codes.keys()].filter((code) => !EXPECTED.has(code))).toEqual([])
    if (RUNS >= 1_000)
      for (const code of expected.slice(0, 3)) expect(codes.get(code)).toBeGreaterThan(0)
    expect(Object.prototype).not.toHaveProperty('polluted')
  })
})

const EXPECTED: ReadonlySet<string> = new Set([
  'read',
  'CORRUPT_AVRO',
  'CORRUPT_MANIFEST',
  'LIMIT_EXCEEDED',
  'UNSUPPORTED_CODEC',
  'UNSUPPORTED_FILE_FORMAT',
  'ENCRYPTED_FILE',
  'CHECKSUM_MISMATCH',
])
