/** Reports of scans and commits that engines send. REST specification, ReportMetricsRequest. */
import { isFloeError } from '../../core/errors.ts'
import {
  asArray,
  asId,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  parseJsonBytes,
} from '../../core/json.ts'
import { badRequest } from './rest-error.ts'

/** What an engine says about one scan or commit of its own. Nothing of it is verified but its shape. */
export interface MetricsReport {
  /** `namespace.table` that it was sent for; the table exists. */
  readonly table: string
  readonly type: 'scan-report' | 'commit-report'
  /** The report as it came. Integers beyond 2^53 are bigint. */
  readonly report: JsonObject
}

const MAX_DEPTH = 64

/** @throws RestError 400 naming the field */
export function readMetricsReport(body: Uint8Array, table: string): MetricsReport {
  try {
    const report = asObject(parseJsonBytes(body, 'the report', MAX_DEPTH), 'the report')
    const type = asString(report['report-type'], 'report-type')
    if (type !== 'scan-report' && type !== 'commit-report') {
      throw badRequest('report-type must be scan-report or commit-report')
    }
    asString(report['table-name'], 'table-name')
    asId(report['snapshot-id'], 'snapshot-id')
    if (type === 'scan-report') checkScan(report)
    else checkCommit(report)
    checkMetrics(report['metrics'])
    if (report['metadata'] !== undefined && report['metadata'] !== null) {
      for (const [key, value] of Object.entries(asObject(report['metadata'], 'metadata'))) {
        asString(value, `metadata.${key.slice(0, 100)}`)
      }
    }
    return { table, type, report }
  } catch (error) {
    if (!isFloeError(error)) throw error
    throw badRequest(`Not a metrics report: ${error.message}`)
  }
}

function checkScan(report: JsonObject): void {
  asInt(report['schema-id'], 'schema-id')
  const { filter } = report
  if (typeof filter !== 'boolean') asObject(filter, 'filter')
  for (const id of asArray(report['projected-field-ids'], 'projected-field-ids')) {
    asInt(id, 'projected-field-ids')
  }
  for (const name of asArray(report['projected-field-names'], 'projected-field-names')) {
    asString(name, 'projected-field-names')
  }
}

function checkCommit(report: JsonObject): void {
  asId(report['sequence-number'], 'sequence-number')
  asString(report['operation'], 'operation')
}

function checkMetrics(value: JsonValue | undefined): void {
  for (const [name, item] of Object.entries(asObject(value, 'metrics'))) {
    const field = `metrics.${name.slice(0, 100)}`
    const metric = asObject(item, field)
    if (metric['unit'] !== undefined) {
      asString(metric['unit'], `${field}.unit`)
      asId(metric['value'], `${field}.value`)
    } else {
      asString(metric['time-unit'], `${field}.time-unit`)
      asId(metric['count'], `${field}.count`)
      asId(metric['total-duration'], `${field}.total-duration`)
    }
  }
}
