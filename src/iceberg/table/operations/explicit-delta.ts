/** Deletes that a caller gives by data file and position, checked against the state that they were read from. */
import { FloeError } from '../../../core/errors.ts'
import { PositionBitmap } from '../../puffin/position-bitmap.ts'
import { deletesKey, type LiveFiles } from '../live-files.ts'
import type { RowChange } from './row-change.ts'

/** Rows of one data file, as scans name them in the columns `_file` and `_pos`. */
export interface RowDeletes {
  /** Path of the data file. */
  readonly file: string
  /** Positions in the file, from 0 on, in any order. */
  readonly positions: Iterable<number | bigint>
}

/**
 * @throws VALIDATION_CONFLICT for a file that is not in the snapshot, and for a row that is deleted there;
 *   VALUE_OUT_OF_RANGE for a position that the file does not have. File and row are named.
 */
export async function explicitChange(
  live: LiveFiles,
  deletes: Iterable<RowDeletes>,
  options: { readonly table: string; readonly signal: AbortSignal | undefined },
): Promise<Pick<RowChange, 'positions' | 'removed' | 'seen'>> {
  const { table, signal } = options
  const lists = new Map<string, number[]>()
  for (const { file, positions } of deletes) {
    const list = lists.get(file) ?? []
    lists.set(file, list)
    for (const position of positions) list.push(Number(position))
  }
  const positions = new Map<string, PositionBitmap>()
  const seen = new Map<string, string>()
  for (const [path, list] of lists) {
    if (list.length === 0) continue
    const file = live.data.get(path)
    if (file === undefined) {
      throw new FloeError(
        'VALIDATION_CONFLICT',
        `Cannot delete rows of ${table}: ${path} is no data file of the snapshot. Read the rows anew and repeat the change`,
        { context: { table, file: path } },
      )
    }
    const { recordCount } = file.entry.file
    const wrong = list.find((p) => !Number.isSafeInteger(p) || p < 0 || p >= recordCount)
    if (wrong !== undefined) {
      throw new FloeError(
        'VALUE_OUT_OF_RANGE',
        `Cannot delete row ${wrong} of ${path} in ${table}: the file has the rows 0 to ${recordCount - 1}. Give the positions that a scan has in "_pos"`,
        { context: { table, file: path, row: wrong } },
      )
    }
    const bitmap = PositionBitmap.of(list)
    const deleted = await live.deletedPositions(file, signal)
    if (bitmap.intersects(deleted)) {
      const row = list.find((p) => deleted.has(p)) as number
      throw new FloeError(
        'VALIDATION_CONFLICT',
        `Cannot delete row ${row} of ${path} in ${table}: it is deleted already. Read the rows anew and repeat the change`,
        { context: { table, file: path, row } },
      )
    }
    positions.set(path, bitmap)
    seen.set(path, deletesKey(live.deletesOf(file)))
  }
  return { positions, removed: new Map(), seen }
}
