/**
 * Scan planning: which data files of a snapshot may hold matching rows. Manifests are skipped by their partition
 * summaries, files by their partition tuple and then by their column bounds. Iceberg spec §Scan Planning.
 */
import { parallelMap } from '../../../core/concurrency.ts'
import { throwIfAborted } from '../../../core/errors.ts'
import type {
  ContentFile,
  FieldSummary,
  ManifestEntry,
  ManifestFile,
} from '../../manifest/entry.ts'
import { partitionFields } from '../../manifest/partition-fields.ts'
import type { PositionBitmap } from '../../puffin/position-bitmap.ts'
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
import { DeleteIndex, type FileDeletes } from '../deletes/delete-index.ts'
import { DELETE_FILE_PATH_ID } from '../deletes/reserved-fields.ts'
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
  /** Delete files that take rows away; undefined for none. */
  readonly deletes: FileDeletes | undefined
  /** Further positions to leave out. */
  readonly without?: PositionBitmap | undefined
  /** Positions to read, and no others. */
  readonly only?: PositionBitmap | undefined
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
  /** Delete files and deletion vectors that may apply. */
  readonly deleteFiles: number
  /** Rows of the files, deleted ones included. */
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
 * @throws CORRUPT_DELETES for deletes that contradict each other; CORRUPT_MANIFEST, CORRUPT_AVRO, FILE_NOT_FOUND.
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
  const index = new DeleteIndex({
    specById: (id) => specById(metadata, id),
    canonicalPath: env.canonicalPath,
  })
  const found: Omit<FileScanTask, 'deletes'>[] = []
  const perManifest = await parallelMap(kept, env.limits.concurrentRequests, async (manifest) => {
    throwIfAborted(signal, 'Planning a scan')
    const isDeletes = manifest.content === 'deletes'
    const found: Omit<FileScanTask, 'deletes'>[] = []
    const deletes: ManifestEntry[] = []
    const entries = await openManifest(env, metadata, manifest, {
      metrics: isDeletes ? DELETE_METRICS : needed.size === 0 ? 'none' : needed,
      liveOnly: true,
      keepPartition: (partition) => {
        const mayMatch = planner.partitionMightMatch(partition, manifest)
        if (!mayMatch && !isDeletes) filesSkipped++
        return mayMatch
      },
      signal,
    })
    for (const entry of entries) {
      // Deletes are not pruned by bounds: those of a filter's other columns say nothing about the rows they delete.
      if (isDeletes) deletes.push(entry)
      else {
        const task = planner.task(entry, manifest)
        if (task === undefined) filesSkipped++
        else found.push(task)
      }
    }
    return { found, deletes }
  })
  for (const part of perManifest) {
    for (const task of part.found) found.push(task)
    for (const entry of part.deletes) index.add(entry)
  }
  const tasks = found.map((task): FileScanTask => {
    return { ...task, deletes: index.forFile(task.file, task.sequenceNumber) }
  })
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
      deleteFiles: index.size,
      rows: tasks.reduce((sum, t) => sum + t.file.recordCount, 0),
      bytes: tasks.reduce((sum, t) => sum + t.file.fileSizeBytes, 0),
      durationMs: env.runtime.monotonicMs() - started,
    },
  }
}

/** False only if no row of a data file can match the filter. */
export function fileMightMatch(
  options: Pick<PlanOptions, 'metadata' | 'schema' | 'filter'>,
  { entry, manifest }: { readonly entry: ManifestEntry; readonly manifest: ManifestFile },
): boolean {
  const planner = new Planner({ ...options, snapshot: undefined })
  return (
    planner.partitionMightMatch(entry.file.partition, manifest) &&
    planner.task(entry, manifest) !== undefined
  )
}

/** Of delete files, the bounds of the paths that they are about. */
const DELETE_METRICS: ReadonlySet<number> = new Set([DELETE_FILE_PATH_ID])

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

  task(entry: ManifestEntry, manifest: ManifestFile): Omit<FileScanTask, 'deletes'> | undefined {
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
