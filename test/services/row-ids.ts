/** Row lineage as engines and floe give it, in one form: `id`, `_row_id`, `_last_updated_sequence_number` as texts. */
import type { Table } from '../../src/index.ts'
import type { CanonicalRow } from './canonical.ts'
import { type EngineName, read } from './client.ts'

/** How an engine names the two columns; engines that are not here do not offer them. */
export const LINEAGE_COLUMNS: Readonly<Partial<Record<EngineName, readonly [string, string]>>> = {
  trino: ['$row_id', '$last_updated_sequence_number'],
  spark: ['_row_id', '_last_updated_sequence_number'],
  duckdb: ['_row_id', '_last_updated_sequence_number'],
}

export async function engineRowIds(
  engine: EngineName,
  metadata: string,
  readRows: typeof read = read,
): Promise<CanonicalRow[]> {
  const names = LINEAGE_COLUMNS[engine]
  if (names === undefined) throw new Error(`${engine} has no row ids`)
  const rows = await readRows(engine, { metadata, columns: ['id', ...names] })
  return rows.map((row) => lineage(row, names))
}

export async function floeRowIds(table: Table): Promise<CanonicalRow[]> {
  const names = ['_row_id', '_last_updated_sequence_number'] as const
  const rows = await table.scan({ select: ['id', ...names] }).toArray({ form: 'json' })
  return rows.map((row) => lineage(row as CanonicalRow, names))
}

function lineage(row: CanonicalRow, [rowId, updated]: readonly [string, string]): CanonicalRow {
  const text = (name: string): string | null =>
    row[name] === null || row[name] === undefined ? null : String(row[name])
  return {
    id: text('id'),
    _row_id: text(rowId),
    _last_updated_sequence_number: text(updated),
  }
}
