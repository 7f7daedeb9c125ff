/**
 * What is found out about the rows of a row group beside encoding them: column metrics from the values, and the
 * columns for which a dictionary does not pay. Runs in the worker for large groups and in place for small ones.
 */
import type { RecordBatch } from 'apache-arrow'
import { emptyMetrics, type FileMetrics, meterBatch } from '../columns/metrics.ts'
import type { MetricsModes } from '../columns/metrics-mode.ts'
import { columnsWithoutDictionary } from './dictionary-choice.ts'

/** Plain data, sent to the worker. */
export interface AnalysisRequest {
  readonly kind: 'request'
  readonly modes: MetricsModes
}

/** Plain data, sent to the worker or back. */
export interface RowGroupAnalysis {
  readonly kind: 'analysis'
  readonly metrics: FileMetrics
  /** Top-level columns for which a dictionary does not pay, by the largest batch. */
  readonly plainColumns: readonly string[]
  readonly largestBatchRows: number
}

export function emptyAnalysis(): RowGroupAnalysis {
  return { kind: 'analysis', metrics: emptyMetrics(), plainColumns: [], largestBatchRows: 0 }
}

/** Adds a batch, which carries field ids, to what is known of its row group; `analysis` is used up. */
export function analyzeBatch(
  analysis: RowGroupAnalysis,
  batch: RecordBatch,
  modes: MetricsModes,
): RowGroupAnalysis {
  meterBatch(analysis.metrics, batch, modes)
  if (batch.numRows <= analysis.largestBatchRows) return analysis
  const plainColumns = columnsWithoutDictionary(batch)
  return { ...analysis, plainColumns, largestBatchRows: batch.numRows }
}
