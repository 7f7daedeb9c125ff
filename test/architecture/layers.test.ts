/** Holds the imports of src against the layers of docs/architecture.md: they point down only. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

/** Folder → layer. A file belongs to the longest prefix; a new folder must be entered here. */
const LAYERS: Readonly<Record<string, number>> = {
  core: 0,
  'iceberg/spec': 1,
  io: 2,
  'iceberg/avro': 2,
  'iceberg/columns': 2,
  'iceberg/manifest': 2,
  'iceberg/metadata-file': 2,
  'iceberg/parquet': 2,
  'iceberg/puffin': 2,
  'iceberg/catalog': 3,
  'iceberg/table': 3,
  merge: 4,
  stream: 5,
  serve: 6,
  cli: 6,
  observe: 6,
  testing: 6,
  open: 6,
  index: 6,
}

/** Outside packages and node modules that only one place may import. */
const OWNERS: ReadonlyArray<{ module: RegExp; owner: RegExp; why: string }> = [
  {
    module: /^@aws-sdk\//,
    owner: /^io\/s3\/sdk\.ts$/,
    why: 'the SDK is optional and loaded on first use, in one place',
  },
  { module: /^parquet-wasm/, owner: /^iceberg\/parquet\//, why: 'one module owns the encoder' },
  {
    module: /^apache-arrow/,
    owner: /^iceberg\/(columns|parquet)\//,
    why: 'arrow is loaded on first use, in one place (type imports are free)',
  },
  {
    module: /^node:fs/,
    owner: /^io\/|^iceberg\/parquet\/|^stream\/sources\/log\//,
    why: 'files are reached through a store; the log is a store of its own',
  },
  {
    module: /^node:(net|http|https|dgram|tls)/,
    owner: /^io\/|^serve\/|^observe\/|^stream\/sources\/kafka\/socket-factory\.ts$/,
    why: 'no network in the core',
  },
  { module: /^node:timers/, owner: /^core\/runtime/, why: 'time goes through Runtime' },
  { module: /^node:crypto/, owner: /^core\//, why: 'randomness goes through Runtime' },
  {
    module: /^kafkajs/,
    owner: /^stream\/sources\/kafka\//,
    why: 'the client is optional, in one place',
  },
]

const ALLOWED_PACKAGES = new Set(['apache-arrow', 'parquet-wasm', '@aws-sdk/client-s3', 'kafkajs'])

interface Import {
  readonly file: string
  readonly target: string
  readonly typeOnly: boolean
}

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return sources(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

/** Every static, dynamic and re-export specifier of a file; comments and strings elsewhere do not count. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  const statement = /(?:^|\n|;)\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s*)?'([^']+)'/g
  for (const match of text.matchAll(statement)) {
    found.push({ file, target: match[2] as string, typeOnly: match[1] !== undefined })
  }
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)(\.[A-Z]\w*)?/g)) {
    found.push({ file, target: match[1] as string, typeOnly: match[2] !== undefined })
  }
  return found
}

function layerOf(file: string): number | undefined {
  const path = relative(SRC, file).replace(/\.ts$/, '')
  const names = Object.keys(LAYERS).filter((name) => path === name || path.startsWith(`${name}/`))
  const longest = names.sort((a, b) => b.length - a.length)[0]
  return longest === undefined ? undefined : LAYERS[longest]
}

const files = sources(SRC)
const imports = files.flatMap(importsOf)

describe('layers', () => {
  it('knows the layer of every file', () => {
    expect(files.filter((f) => layerOf(f) === undefined).map((f) => relative(SRC, f))).toEqual([])
  })

  it('has no import that points up', () => {
    const upward = imports
      .filter((i) => i.target.startsWith('.'))
      .map((i) => ({ ...i, to: resolve(dirname(i.file), i.target) }))
      .filter((i) => (layerOf(i.to) ?? Infinity) > (layerOf(i.file) ?? -Infinity))
      .map((i) => `${relative(SRC, i.file)} -> ${relative(SRC, i.to)}`)
    expect(upward).toEqual([])
  })

  it('imports relative files with their extension and never from outside src', () => {
    const bad = imports
      .filter((i) => i.target.startsWith('.'))
      .filter(
        (i) => !i.target.endsWith('.ts') || !resolve(dirname(i.file), i.target).startsWith(SRC),
      )
      .map((i) => `${relative(SRC, i.file)} -> ${i.target}`)
    expect(bad).toEqual([])
  })

  it('uses only declared packages, each in the one place that owns it', () => {
    const bad: string[] = []
    for (const { file, target, typeOnly } of imports) {
      if (target.startsWith('.')) continue
      const from = relative(SRC, file)
      if (!target.startsWith('node:')) {
        const name = target
          .split('/')
          .slice(0, target.startsWith('@') ? 2 : 1)
          .join('/')
        if (!ALLOWED_PACKAGES.has(name)) bad.push(`${from} imports ${target}: not a dependency`)
      }
      for (const rule of OWNERS) {
        if (!typeOnly && rule.module.test(target) && !rule.owner.test(from)) {
          bad.push(`${from} imports ${target}: ${rule.why}`)
        }
      }
    }
    expect(bad).toEqual([])
  })

  it('finds an upward import when there is one (the scanner is not blind)', () => {
    const up = join(SRC, 'core/errors.ts')
    expect(layerOf(up)).toBe(0)
    expect(layerOf(join(SRC, 'iceberg/table/table.ts'))).toBe(3)
    expect(imports.length).toBeGreaterThan(files.length)
  })
})

describe('determinism', () => {
  it('reads no clock outside core/runtime (the lint bans the rest)', () => {
    const bad = files
      .filter((f) => !f.endsWith('core/runtime.ts'))
      .filter((f) =>
        /\bnew Date\(\s*\)|\bDate\(\s*\)|\bhrtime\b|\brandomUUID\b/.test(readFileSync(f, 'utf8')),
      )
    expect(bad.map((f) => relative(SRC, f))).toEqual([])
  })
})
