/** Checks the table properties of writing when they are set, so that a bad value does not wait for the next write to fail. */
import { checkMetricsProperties } from '../../columns/metrics-mode.ts'
import { parquetWriteOptions } from '../../parquet/write-options.ts'

/** @throws BAD_ARGUMENT for a value of `write.parquet.*` or `write.metadata.metrics.*` that cannot be honoured; UNSUPPORTED_CODEC */
export function checkWriteProperties(properties: Readonly<Record<string, string>>): void {
  parquetWriteOptions(properties)
  checkMetricsProperties(properties)
}
