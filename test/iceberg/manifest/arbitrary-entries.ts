/** Random manifests that keep the rules of writing: specs of all partition types, entries of all statuses. */
import fc from 'fast-check'
import type {
  ContentFile,
  EntryStatus,
  FileContent,
  ManifestContent,
  ManifestEntry,
} from '../../../src/iceberg/manifest/entry.ts'
import type { WriteFormatVersion } from '../../../src/iceberg/manifest/manifest-schema.ts'
import type { PartitionSpec } from '../../../src/iceberg/spec/partition-spec.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { Transform } from '../../../src/iceberg/spec/transform.ts'
import type { PrimitiveType } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import { bytesToHex } from '../../../src/iceberg/spec/value-binary.ts'

/** A column that is partitioned by, with the values that its partition field can have. */
interface PartitionShape {
  readonly source: PrimitiveType
  readonly transform: Transform
  readonly value: fc.Arbitrary<Value>
}

const int32 = fc.integer()
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const text = fc.string({ unit: 'grapheme', maxLength: 8 })
const uuid = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((b) => bytesToHex(b).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))

const IDENTITY: ReadonlyArray<readonly [PrimitiveType, fc.Arbitrary<Value>]> = [
  [{ kind: 'boolean' }, fc.boolean()],
  [{ kind: 'int' }, int32],
  [{ kind: 'long' }, int64],
  [{ kind: 'float' }, fc.float()],
  [{ kind: 'double' }, fc.double()],
  [
    { kind: 'decimal', precision: 9, scale: 2 },
    fc.bigInt({ min: -999_999_999n, max: 999_999_999n }),
  ],
  [
    { kind: 'decimal', precision: 38, scale: 10 },
    fc.bigInt({ min: 1n - 10n ** 38n, max: 10n ** 38n - 1n }),
  ],
  [{ kind: 'date' }, int32],
  [{ kind: 'time' }, fc.bigInt({ min: 0n, max: 86_399_999_999n })],
  [{ kind: 'timestamp' }, int64],
  [{ kind: 'timestamptz' }, int64],
  [{ kind: 'timestamp_ns' }, int64],
  [{ kind: 'timestamptz_ns' }, int64],
  [{ kind: 'string' }, text],
  [{ kind: 'uuid' }, uuid],
  [{ kind: 'fixed', length: 5 }, fc.uint8Array({ minLength: 5, maxLength: 5 })],
  [{ kind: 'binary' }, fc.uint8Array({ maxLength: 8 })],
]

export const partitionShapes: readonly PartitionShape[] = [
  ...IDENTITY.map(
    ([source, value]): PartitionShape => ({ source, value, transform: { kind: 'identity' } }),
  ),
  { source: { kind: 'string' }, transform: { kind: 'bucket', numBuckets: 16 }, value: fc.nat(15) },
  { source: { kind: 'string' }, transform: { kind: 'truncate', width: 4 }, value: text },
  { source: { kind: 'date' }, transform: { kind: 'year' }, value: int32 },
  { source: { kind: 'timestamp' }, transform: { kind: 'month' }, value: int32 },
  { source: { kind: 'timestamptz' }, transform: { kind: 'day' }, value: int32 },
  { source: { kind: 'timestamp_ns' }, transform: { kind: 'hour' }, value: int32 },
  { source: { kind: 'long' }, transform: { kind: 'void' }, value: fc.constant(null) },
]

export interface ManifestCase {
  readonly formatVersion: WriteFormatVersion
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly content: ManifestContent
  readonly snapshotId: bigint
  readonly entries: readonly ManifestEntry[]
}

export const snapshotIds: fc.Arbitrary<bigint> = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n })

/** Cases with the given number of entries at most. */
export function manifestCases(maxEntries = 8): fc.Arbitrary<ManifestCase> {
  return fc
    .record({
      formatVersion: fc.constantFrom<WriteFormatVersion>(2, 3),
      shapes: fc.array(fc.constantFrom(...partitionShapes), { maxLength: 3 }),
      content: fc.constantFrom<ManifestContent>('data', 'deletes'),
      snapshotId: snapshotIds,
      specId: fc.nat(100),
    })
    .chain(({ formatVersion, shapes, content, snapshotId, specId }) => {
      const { schema, spec } = schemaAndSpec(shapes, specId)
      const file = contentFiles(
        formatVersion,
        content,
        specId,
        fc.tuple(...shapes.map((s) => fc.option(s.value))),
      )
      const entry = entries(formatVersion, snapshotId, file)
      return fc.array(entry, { minLength: 1, maxLength: maxEntries }).map(
        (list): ManifestCase => ({
          formatVersion,
          schema,
          spec,
          content,
          snapshotId,
          entries: list,
        }),
      )
    })
}

function schemaAndSpec(
  shapes: readonly PartitionShape[],
  specId: number,
): { schema: Schema; spec: PartitionSpec } {
  const schema = new Schema({
    schemaId: 3,
    fields: shapes.map((s, i) => ({
      id: i + 1,
      name: `column ${i}`,
      required: false,
      type: s.source,
    })),
  })
  const fields = shapes.map((s, i) => ({
    sourceIds: [i + 1],
    fieldId: 1000 + i,
    name: ['part', '2nd', 'with space'][i] ?? `p${i}`,
    transform: s.transform,
  }))
  return { schema, spec: { specId, fields } }
}

const counts = fc.option(
  fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(2 ** 40)), {
      minLength: 1,
      maxLength: 5,
      selector: ([id]) => id,
    })
    .map((pairs) => new Map(pairs)),
  { nil: undefined },
)
const bounds = fc.option(
  fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.uint8Array({ maxLength: 40 })), {
      minLength: 1,
      maxLength: 5,
      selector: ([id]) => id,
    })
    .map((pairs) => new Map(pairs)),
  { nil: undefined },
)
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined })

function contentFiles(
  version: WriteFormatVersion,
  content: ManifestContent,
  specId: number,
  partition: fc.Arbitrary<Value[]>,
): fc.Arbitrary<ContentFile> {
  const base = fc.record({
    filePath: fc
      .string({ unit: 'grapheme', minLength: 1 })
      .map((name) => `s3://bucket/data/${name}.parquet`),
    partition,
    recordCount: fc.nat(2 ** 40),
    fileSizeBytes: fc.integer({ min: 100, max: 2 ** 45 }),
    columnSizes: counts,
    valueCounts: counts,
    nullValueCounts: counts,
    nanValueCounts: counts,
    lowerBounds: bounds,
    upperBounds: bounds,
    keyMetadata: maybe(fc.uint8Array({ maxLength: 10 })),
    splitOffsets: maybe(fc.constantFrom([4], [4, 50], [])),
  })
  const kinds: FileContent[] =
    content === 'data' ? ['data'] : ['position-deletes', 'equality-deletes']
  return fc.tuple(base, fc.constantFrom(...kinds)).chain(
    ([fields, kind]) =>
      fc.record({
        ...Object.fromEntries(
          Object.entries(fields).map(([key, value]) => [key, fc.constant(value)]),
        ),
        specId: fc.constant(specId),
        content: fc.constant(kind),
        ...ownFields(version, kind),
      }) as unknown as fc.Arbitrary<ContentFile>,
  )
}

/** Fields that depend on the kind of file; position deletes of version 3 are deletion vectors. */
function ownFields(
  version: WriteFormatVersion,
  kind: FileContent,
): Record<string, fc.Arbitrary<unknown>> {
  const none = fc.constant(undefined)
  const path = fc.string().map((name) => `s3://bucket/data/${name}`)
  const isVector = kind === 'position-deletes' && version === 3
  return {
    fileFormat: isVector ? fc.constant('PUFFIN') : fc.constantFrom('PARQUET', 'AVRO', 'ORC'),
    equalityIds:
      kind === 'equality-deletes' ? fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }) : none,
    sortOrderId: kind === 'position-deletes' ? none : maybe(fc.nat(5)),
    firstRowId: none,
    referencedDataFile: isVector ? path : kind === 'position-deletes' ? maybe(path) : none,
    contentOffset: isVector ? fc.nat(2 ** 40) : none,
    contentSizeBytes: isVector ? fc.nat(2 ** 30) : none,
  }
}

function entries(
  version: WriteFormatVersion,
  snapshotId: bigint,
  file: fc.Arbitrary<ContentFile>,
): fc.Arbitrary<ManifestEntry> {
  const sequence = fc.nat(1000)
  return fc
    .tuple(fc.constantFrom<EntryStatus>('existing', 'added', 'deleted'), file)
    .chain(([status, content]): fc.Arbitrary<ManifestEntry> => {
      const firstRowId =
        version === 3 && content.content === 'data'
          ? maybe(fc.bigInt({ min: 0n, max: 2n ** 62n }))
          : fc.constant(undefined)
      if (status === 'added') {
        return fc.record({
          status: fc.constant(status),
          snapshotId: fc.constant(snapshotId),
          sequenceNumber: fc.option(sequence),
          fileSequenceNumber: fc.constant(null),
          file: fc.constant(content),
        })
      }
      return fc.record({
        status: fc.constant(status),
        snapshotId: status === 'deleted' ? fc.constant(snapshotId) : snapshotIds,
        sequenceNumber: sequence,
        fileSequenceNumber: fc.option(sequence, { freq: 10 }),
        file: firstRowId.map((id) => ({ ...content, firstRowId: id })),
      })
    })
}
