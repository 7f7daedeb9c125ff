/**
 * Scan planning: which data files of a snapshot may hold matching rows. Manifests are skipped by their partition
 * summaries, files by their partition tuple and then by their column bounds. Iceberg spec §Scan Planning.
 */
import { parallelMap } from '../../../core/concurrency.ts'
import { FloeError, throwIfAborted } from '../../../core/errors.ts'
import type {
  ContentFile,
  FieldSummary,
  ManifestEntry,
  ManifestFile,
} from '../../manifest/entry.ts'
import { partitionFields } from '../../manifest/partition-fields.ts'
import { referencedFieldIds } from '../../spec/expressions/bind.ts'
import { evaluateExpression } from '../../spec/expressions/evaluate.ts'
import {
  ALWAYS_TRUE,
  type BoundExpression,
  type BoundRef,
} from '../../spec/expressions/expression.ts'
import {
  type ColumnRange,
  rowsMightMatch,
  rowsMustMatch,
} from '../../spec/expressions/metrics-evaluator.ts'
import { projectInclusive } from '../../spec/expressions/projection.ts'
import { ResidualEvaluator } from '../../spec/expressions/residual.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { PartitionSpec } from '../../spec/partition-spec.ts'
import type { Schema } from '../../spec/schema.ts'
import type { Snapshot } from '../../spec/snapshot.ts'
import type { PrimitiveType } from '../../spec/types.ts'
import type { PrimitiveValue, Value } from '../../spec/value.ts'
import { valueFromBytes } from '../../spec/value-binary.ts'
import type { Environment } from '../environment.ts'
import { loadManifestList, openManifest, schemasNewestFirst } from '../manifest-files.ts'
import { specById } from '../table-state.ts'

/** One data file to read. */
export interface FileScanTask {
  readonly file: ContentFile
  readonly spec: PartitionSpec
  /** Data sequence number. */
  readonly sequenceNumber: number
  /** What the file's rows still have to be tested with. */
  readonly residual: BoundExpression
}

export interface ScanPlan {
  readonly tasks: readonly FileScanTask[]
  readonly report: ScanReport
}

/** What planning looked at and skipped. */
export interface ScanReport {
  readonly snapshotId: bigint | null
  readonly manifests: number
  readonly manifestsSkipped: number
  readonly filesSkipped: number
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly durationMs: number
}

export interface PlanOptions {
  readonly metadata: TableMetadata
  readonly snapshot: Snapshot | undefined
  /** The schema that the filter is bound to. */
  readonly schema: Schema
  readonly filter: BoundExpression
  readonly signal?: AbortSignal | undefined
}

/**
 * Plans a scan. Memory grows with the files kept, not with those skipped.
 * @throws UNSUPPORTED_DELETES if a delete file may apply; CORRUPT_MANIFEST, CORRUPT_AVRO, FILE_NOT_FOUND.
 */
export async function planScan(env: Environment, options: PlanOptions): Promise<ScanPlan> {
  const started = env.runtime.monotonicMs()
  const { metadata, snapshot, filter, signal } = options
  const manifests = snapshot === undefined ? [] : await loadManifestList(env, snapshot, signal)
  const planner = new Planner(options)
  let manifestsSkipped = 0
  let filesSkipped = 0
  const kept = manifests.filter((manifest) => {
    const mayMatch = planner.manifestMightMatch(manifest)
    if (!mayMatch) manifestsSkipped++
    return mayMatch
  })
  const needed = referencedFieldIds(filter)
  const tasks: FileScanTask[] = []
  const perManifest = await parallelMap(kept, env.limits.concurrentRequests, async (manifest) => {
    throwIfAborted(signal, 'Planning a scan')
    const found: FileScanTask[] = []
    const entries = await openManifest(env, metadata, manifest, {
      metrics: needed.size === 0 ? 'none' : needed,
      liveOnly: true,
      keepPartition: (partition) => {
        const mayMatch = planner.partitionMightMatch(partition, manifest)
        if (!mayMatch) filesSkipped++
        return mayMatch
      },
      signal,
    })
    for (const entry of entries) {
      if (manifest.content === 'deletes') throw unsupportedDelete(entry, manifest)
      const task = planner.task(entry, manifest)
      if (task === undefined) filesSkipped++
      else found.push(task)
    }
    return found
  })
  for (const found of perManifest) tasks.push(...found)
  // Oldest rows first: file order within a commit, commits in their order.
  tasks.sort((a, b) => a.sequenceNumber - b.sequenceNumber)
  return {
    tasks,
    report: {
      snapshotId: snapshot?.snapshotId ?? null,
      manifests: manifests.length,
      manifestsSkipped,
      filesSkipped,
      files: tasks.length,
      rows: tasks.reduce((sum, t) => sum + t.file.recordCount, 0),
      bytes: tasks.reduce((sum, t) => sum + t.file.fileSizeBytes, 0),
      durationMs: env.runtime.monotonicMs() - started,
    },
  }
}

/** Pruning for one filter; what depends on a spec is made once for it. */
class Planner {
  readonly #options: PlanOptions
  readonly #specs = new Map<
    number,
    {
      readonly spec: PartitionSpec
      readonly projected: BoundExpression
      readonly residuals: ResidualEvaluator
      readonly index: ReadonlyMap<number, { readonly at: number; readonly type: PrimitiveType }>
    }
  >()

  constructor(options: PlanOptions) {
    this.#options = options
  }

  manifestMightMatch(manifest: ManifestFile): boolean {
    if (manifest.addedFilesCount === 0 && manifest.existingFilesCount === 0) return false
    if (this.#options.filter.kind === 'true' || manifest.partitions === undefined) return true
    const { projected, index } = this.#forSpec(manifest.partitionSpecId)
    const summaries = manifest.partitions
    return rowsMightMatch(projected, (ref) => {
      const field = index.get(ref.fieldId)
      const summary = field === undefined ? undefined : summaries[field.at]
      return summary === undefined || field === undefined ? {} : summaryRange(summary, field.type)
    })
  }

  partitionMightMatch(partition: readonly Value[], manifest: ManifestFile): boolean {
    const { projected, index } = this.#forSpec(manifest.partitionSpecId)
    if (projected.kind === 'true') return true
    return evaluateExpression(projected, (id) => {
      const field = index.get(id)
      return field === undefined ? null : (partition[field.at] ?? null)
    })
  }

  task(entry: ManifestEntry, manifest: ManifestFile): FileScanTask | undefined {
    const { file } = entry
    const { spec, residuals } = this.#forSpec(manifest.partitionSpecId)
    const sequenceNumber = entry.sequenceNumber ?? 0
    const { filter } = this.#options
    if (filter.kind === 'true') return { file, spec, sequenceNumber, residual: ALWAYS_TRUE }
    const residual = residuals.residualFor(file.partition)
    if (residual.kind === 'false') return undefined
    const rangeOf = (ref: BoundRef): ColumnRange => new FileRange(file, ref)
    if (!rowsMightMatch(residual, rangeOf)) return undefined
    const decided = rowsMustMatch(residual, rangeOf)
    return { file, spec, sequenceNumber, residual: decided ? ALWAYS_TRUE : residual }
  }

  #forSpec(specId: number) {
    let known = this.#specs.get(specId)
    if (known === undefined) {
      const { metadata, filter, schema } = this.#options
      const spec = specById(metadata, specId)
      const fields = partitionFields(spec, schemasNewestFirst(metadata))
      known = {
        spec,
        projected: projectInclusive(filter, spec, schema),
        residuals: new ResidualEvaluator(filter, spec, schema),
        index: new Map(fields.map((field, at) => [field.id, { at, type: field.type }])),
      }
      this.#specs.set(specId, known)
    }
    return known
  }
}

/** What a manifest's metrics say of a column of one file. Bounds are decoded when they are asked for. */
class FileRange implements ColumnRange {
  readonly #file: ContentFile
  readonly #ref: BoundRef

  constructor(file: ContentFile, ref: BoundRef) {
    this.#file = file
    this.#ref = ref
  }

  get valueCount(): number | undefined {
    return this.#file.valueCounts?.get(this.#ref.fieldId)
  }

  get nullCount(): number | undefined {
    return this.#file.nullValueCounts?.get(this.#ref.fieldId)
  }

  get nanCount(): number | undefined {
    return this.#file.nanValueCounts?.get(this.#ref.fieldId)
  }

  get lower(): PrimitiveValue | undefined {
    return decodeBound(this.#ref.type, this.#file.lowerBounds?.get(this.#ref.fieldId))
  }

  get upper(): PrimitiveValue | undefined {
    return decodeBound(this.#ref.type, this.#file.upperBounds?.get(this.#ref.fieldId))
  }
}

function summaryRange(summary: FieldSummary, type: PrimitiveType): ColumnRange {
  return {
    nullCount: summary.containsNull ? undefined : 0,
    nanCount: summary.containsNan === false ? 0 : undefined,
    lower: decodeBound(type, summary.lowerBound),
    upper: decodeBound(type, summary.upperBound),
  }
}

/** A bound that is NaN says nothing. */
function decodeBound(
  type: PrimitiveType,
  bytes: Uint8Array | undefined,
): PrimitiveValue | undefined {
  if (bytes === undefined) return undefined
  const value = valueFromBytes(type, bytes)
  return Number.isNaN(value) ? undefined : value
}

function unsupportedDelete(entry: ManifestEntry, manifest: ManifestFile): FloeError {
  return new FloeError(
    'UNSUPPORTED_DELETES',
    `Cannot scan: the delete file ${entry.file.filePath} (${entry.file.content}) would have to be applied, which this version cannot. Compact the table with the engine that wrote it, or scan an older snapshot`,
    { context: { file: entry.file.filePath, manifest: manifest.manifestPath } },
  )
}
