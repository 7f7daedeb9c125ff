/**
 * Child: plans scans over a table of many files. The files do not exist: planning never opens them, so their
 * manifests are written through the package's inner modules. Arguments: files folder
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { openTable } from 'floe'

const [filesText, folder] = process.argv.slice(2) as [string, string]
const files = Number(filesText)
const inner = (path: string): string => new URL(`../src/${path}`, import.meta.url).href
const { writeManifest, toManifestFile } = (await import(
  inner('iceberg/manifest/manifest-writer.js')
)) as typeof import('../src/iceberg/manifest/manifest-writer.js')
const { writeManifestList } = (await import(
  inner('iceberg/manifest/manifest-list-writer.js')
)) as typeof import('../src/iceberg/manifest/manifest-list-writer.js')
const { applyUpdates } = (await import(
  inner('iceberg/spec/metadata-builder.js')
)) as typeof import('../src/iceberg/spec/metadata-builder.js')
const { encodeMetadataFile } = (await import(
  inner('iceberg/metadata-file/metadata-file.js')
)) as typeof import('../src/iceberg/metadata-file/metadata-file.js')
const { assignFreshIds, schema, t } = (await import(
  inner('iceberg/spec/schema-literal.js')
)) as typeof import('../src/iceberg/spec/schema-literal.js')
const { valueToBytes } = (await import(
  inner('iceberg/spec/value-binary.js')
)) as typeof import('../src/iceberg/spec/value-binary.js')
const { systemRuntime } = (await import(
  inner('core/runtime.js')
)) as typeof import('../src/core/runtime.js')

const location = `file://${folder}/table`
mkdirSync(`${folder}/table/metadata`, { recursive: true })
const s = assignFreshIds(
  schema({ id: t.long(), name: t.string(), x: t.double(), n: t.int(), at: t.timestamptz() }),
)
const spec = {
  specId: 0,
  fields: [{ sourceIds: [5], fieldId: 1000, name: 'at_day', transform: { kind: 'day' as const } }],
}
const PER_MANIFEST = 10_000
const ids = [1, 2, 3, 4, 5]
const counts = new Map(ids.map((id) => [id, 1000]))
const manifests = []
for (let from = 0; from < files; from += PER_MANIFEST) {
  const entries = Array.from({ length: Math.min(PER_MANIFEST, files - from) }, (_, k) => {
    const i = from + k
    const bound = (v: bigint): Map<number, Uint8Array> =>
      new Map([
        [1, valueToBytes({ kind: 'long' }, v)],
        [2, Buffer.from(`name ${v}`)],
        [5, valueToBytes({ kind: 'long' }, v * 1000n)],
      ])
    return {
      status: 'added' as const,
      snapshotId: 1n,
      sequenceNumber: null,
      fileSequenceNumber: null,
      file: {
        content: 'data' as const,
        filePath: `${location}/data/at_day=${i % 365}/${String(i).padStart(6, '0')}-0123456789abcdef.parquet`,
        fileFormat: 'PARQUET',
        specId: 0,
        partition: [i % 365],
        recordCount: 1000,
        fileSizeBytes: 1_000_000,
        columnSizes: counts,
        valueCounts: counts,
        nullValueCounts: new Map(ids.map((id) => [id, 0])),
        nanValueCounts: new Map([[3, 0]]),
        lowerBounds: bound(BigInt(i) * 1000n),
        upperBounds: bound(BigInt(i) * 1000n + 999n),
      },
    }
  })
  const written = writeManifest({
    formatVersion: 2,
    schema: s,
    spec,
    content: 'data',
    snapshotId: 1n,
    runtime: systemRuntime,
    entries,
  })
  const path = `${location}/metadata/m${from}.avro`
  writeFileSync(path.slice(7), written.bytes)
  manifests.push(
    toManifestFile(
      { manifestLength: written.bytes.length, summary: written.summary },
      { manifestPath: path, sequenceNumber: 1 },
    ),
  )
}
const list = `${location}/metadata/snap-1.avro`
writeFileSync(
  list.slice(7),
  writeManifestList({
    formatVersion: 2,
    snapshotId: 1n,
    sequenceNumber: 1,
    manifests,
    runtime: systemRuntime,
  }),
)
const metadata = applyUpdates(
  null,
  [
    { action: 'assign-uuid', uuid: '00000000-0000-4000-8000-000000000000' },
    { action: 'set-location', location },
    { action: 'add-schema', schema: s },
    { action: 'set-current-schema', schemaId: -1 },
    { action: 'add-spec', spec },
    { action: 'set-default-spec', specId: -1 },
    { action: 'add-sort-order', sortOrder: { orderId: 0, fields: [] } },
    { action: 'set-default-sort-order', sortOrderId: -1 },
    {
      action: 'add-snapshot',
      snapshot: {
        snapshotId: 1n,
        sequenceNumber: 1,
        timestampMs: Date.now(),
        manifestList: list,
        summary: { operation: 'append' },
        schemaId: 0,
      },
    },
    { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 1n } },
  ],
  { nowMs: Date.now() },
)
writeFileSync(`${folder}/table/metadata/v1.metadata.json`, encodeMetadataFile(metadata))
const table = await openTable(`${folder}/table/metadata/v1.metadata.json`)
const time = async (where?: object): Promise<{ ms: number; files: number }> => {
  const runs: number[] = []
  let kept = 0
  for (let i = 0; i < 3; i++) {
    const started = performance.now()
    kept = (await table.scan(where === undefined ? {} : { where: where as never }).plan()).tasks
      .length
    runs.push(performance.now() - started)
  }
  return { ms: Math.min(...runs), files: kept }
}
console.log(
  JSON.stringify({
    all: await time(),
    byBounds: await time({ id: { gte: 500_000, lt: 600_000 } }),
  }),
)
await table.close()
