/** Invariants that the store decides: (e) files exist with their size, (g) values lie within bounds. */
import type { RecordBatch } from 'apache-arrow'
import { parallelMap } from '../../../core/concurrency.ts'
import { isFloeError } from '../../../core/errors.ts'
import { loadArrow } from '../../columns/arrow.ts'
import { finishMetrics } from '../../columns/finish-metrics.ts'
import { emptyMetrics, type FileMetrics, meterBatch } from '../../columns/metrics.ts'
import type { MetricsModes } from '../../columns/metrics-mode.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { openParquetFile } from '../../parquet/reader.ts'
import type { Schema } from '../../spec/schema.ts'
import { isPrimitive, type PrimitiveType } from '../../spec/types.ts'
import type { PrimitiveValue } from '../../spec/value.ts'
import { valueFromBytes } from '../../spec/value-binary.ts'
import { comparatorOf } from '../../spec/value-compare.ts'
import { type Environment, requestOptions } from '../environment.ts'
import type { FsckFindings } from './report.ts'

/** (e) for any kind of file. `sizeBytes` undefined: existence alone. */
export async function checkExists(
  env: Environment,
  files: ReadonlyMap<string, number | undefined>,
  findings: FsckFindings,
  signal: AbortSignal | undefined,
): Promise<void> {
  await parallelMap([...files], env.limits.concurrentRequests, async ([file, sizeBytes]) => {
    let found: number | undefined
    try {
      found = (await env.store.stat(file, requestOptions(signal)))?.sizeBytes
    } catch (error) {
      if (!isFloeError(error, 'PATH_OUTSIDE_ROOT')) throw error
      findings.add('files-exist', error.message, { file })
      return
    }
    if (found === undefined) findings.add('files-exist', 'the file does not exist', { file })
    else if (sizeBytes !== undefined && found !== sizeBytes) {
      findings.add('files-exist', `the file has ${found} bytes, recorded are ${sizeBytes}`, {
        file,
      })
    }
  })
}

/** (g) for one data file: decodes it and measures its values anew. */
export async function checkBounds(
  env: Environment,
  file: ContentFile,
  schema: Schema,
  findings: FsckFindings,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (file.fileFormat !== 'PARQUET') return
  await loadArrow()
  const opened = await openParquetFile(env.store, file.filePath, {
    pool: env.pool,
    limits: env.limits,
    signal,
  })
  const wanted = schema.fields.filter((f) => f.type.kind !== 'variant' && f.type.kind !== 'unknown')
  const projection = opened.project(wanted)
  const modes: MetricsModes = new Map(
    [...schema.entries()]
      .filter((e) => isPrimitive(e.field.type))
      .map((e) => [e.field.id, { kind: e.repeated ? 'counts' : 'full' }]),
  )
  const metrics: FileMetrics = emptyMetrics()
  let rows = 0
  for (const group of opened.rowGroups) {
    for await (const { batch } of opened.readRowGroup(group.index, projection, { signal })) {
      rows += batch.numRows
      meterBatch(metrics, batch as RecordBatch, modes)
    }
  }
  const where = { file: file.filePath }
  if (rows !== file.recordCount) {
    findings.add('bounds', `the file has ${rows} rows, recorded are ${file.recordCount}`, where)
  }
  const actual = finishMetrics(metrics, schema, modes)
  for (const { field, path, repeated } of schema.entries()) {
    const { id, type } = field
    // Writers differ in what they count as values of a list or map; such columns have no bounds either.
    if (!isPrimitive(type) || repeated) continue
    const name = path.join('.')
    const same = (
      what: string,
      recorded: number | undefined,
      counted: number | undefined,
    ): void => {
      if (recorded !== undefined && counted !== undefined && recorded !== counted) {
        findings.add(
          'bounds',
          `${what} of "${name}" is recorded as ${recorded} and is ${counted}`,
          where,
        )
      }
    }
    same('the value count', file.valueCounts?.get(id), actual.valueCounts.get(id))
    same('the null count', file.nullValueCounts?.get(id), actual.nullValueCounts.get(id))
    same('the NaN count', file.nanValueCounts?.get(id), actual.nanValueCounts.get(id))
    compareBounds(type, name, file, actual, id, findings)
  }
}

function compareBounds(
  type: PrimitiveType,
  name: string,
  file: ContentFile,
  actual: ReturnType<typeof finishMetrics>,
  id: number,
  findings: FsckFindings,
): void {
  const order = comparatorOf(type)
  // Writers differ in which zero they record as a bound; to readers both are one.
  const compare = (a: PrimitiveValue, b: PrimitiveValue): number => (a === b ? 0 : order(a, b))
  const decode = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : valueFromBytes(type, bytes)
  const lower = decode(file.lowerBounds?.get(id))
  const least = decode(actual.lowerBounds.get(id))
  if (lower !== undefined && least !== undefined && compare(least, lower) < 0) {
    findings.add('bounds', `a value of "${name}" is below the recorded lower bound`, {
      file: file.filePath,
    })
  }
  const upper = decode(file.upperBounds?.get(id))
  const greatest = decode(actual.upperBounds.get(id))
  if (upper !== undefined && greatest !== undefined && compare(greatest, upper) > 0) {
    findings.add('bounds', `a value of "${name}" is above the recorded upper bound`, {
      file: file.filePath,
    })
  }
}
