/** Opens data files and delete files that manifests name. */
import { FloeError, isFloeError } from '../../core/errors.ts'
import type { ContentFile } from '../manifest/entry.ts'
import type { NameMapping } from '../parquet/name-mapping.ts'
import { openParquetFile, type ParquetFile } from '../parquet/reader.ts'
import { type Environment, requestOptions } from './environment.ts'

/**
 * Opens a Parquet file of the table.
 * @throws UNSUPPORTED_FILE_FORMAT, FILE_NOT_FOUND, CORRUPT_PARQUET and the store's errors.
 */
export async function openParquet(
  env: Environment,
  file: ContentFile,
  options: {
    readonly nameMapping: NameMapping | undefined
    readonly signal: AbortSignal | undefined
  },
): Promise<ParquetFile> {
  const { filePath, fileFormat, fileSizeBytes } = file
  if (fileFormat.toUpperCase() !== 'PARQUET') {
    const kind = file.content === 'data' ? 'data' : 'delete'
    throw new FloeError(
      'UNSUPPORTED_FILE_FORMAT',
      `Cannot read ${filePath}: ${kind} files of format ${fileFormat} are not supported, Parquet is. Rewrite the table as Parquet with the engine that wrote it`,
      { context: { file: filePath, format: fileFormat } },
    )
  }
  const open = (sizeBytes: number): Promise<ParquetFile> =>
    openParquetFile(env.store, filePath, {
      pool: env.pool,
      limits: env.limits,
      sizeBytes,
      nameMapping: options.nameMapping,
      signal: options.signal,
    })
  try {
    return await open(fileSizeBytes)
  } catch (error) {
    // Some writers record a wrong size (known-bugs.md 21); the store knows better, and fsck reports it.
    if (!isFloeError(error, 'CORRUPT_PARQUET')) throw error
    const stat = await env.store.stat(filePath, requestOptions(options.signal))
    if (stat === null || stat.sizeBytes === fileSizeBytes) throw error
    return open(stat.sizeBytes)
  }
}
