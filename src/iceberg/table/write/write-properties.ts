/** Checks the table properties of writing when they are set, so that a bad value does not wait for the next write to fail. */
import { checkMetricsProperties } from '../../columns/metrics-mode.ts'
import { parquetWriteOptions } from '../../parquet/write-options.ts'
import { TableProperty } from '../../spec/properties.ts'
import type { Environment } from '../environment.ts'

/**
 * @throws BAD_ARGUMENT for a value of `write.parquet.*` or `write.metadata.metrics.*` that cannot be honoured;
 *   UNSUPPORTED_CODEC; PATH_OUTSIDE_ROOT for folders of new files that the lake may not write to
 */
export function checkWriteProperties(
  env: Pick<Environment, 'checkPath'>,
  properties: Readonly<Record<string, string>>,
): void {
  parquetWriteOptions(properties)
  checkMetricsProperties(properties)
  for (const name of [TableProperty.DATA_PATH, TableProperty.METADATA_PATH]) {
    const path = properties[name]
    if (path !== undefined) env.checkPath(path)
  }
}
