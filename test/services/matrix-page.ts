/**
 * docs/compatibility.md: a page whose sections are generated from what suites measured. A suite owns the body of its
 * section; `--write-matrix` writes it, without it the body has to be what was measured.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { EngineName } from './client.ts'
import { VERSIONS } from './install/parts.js'

const PAGE = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url))

export interface MatrixRow {
  readonly feature: string
  readonly formatVersion: number
  /** By engine, or by another name of a column. */
  readonly cells: Readonly<Record<string, string>>
}

export const LABELS: Readonly<Record<EngineName, string>> = {
  trino: `Trino ${VERSIONS.trino}`,
  spark: `Spark ${VERSIONS.spark}, Iceberg ${VERSIONS.icebergSpark}`,
  pyiceberg: `PyIceberg ${VERSIONS.pyiceberg}`,
  duckdb: `DuckDB ${VERSIONS.duckdb}`,
}

/** Rows in the order of their features, the older version first. */
export function inOrder(rows: readonly MatrixRow[], features: readonly string[]): MatrixRow[] {
  const rank = (row: MatrixRow): number => features.indexOf(row.feature) * 10 + row.formatVersion
  return [...rows].sort((a, b) => rank(a) - rank(b))
}

/** A table of the page with a column for each engine, or for each of the columns given. */
export function matrixTable(
  first: string,
  rows: readonly MatrixRow[],
  columns: Readonly<Record<string, string>> = LABELS,
): string {
  const keys = Object.keys(columns)
  return [
    `| ${first} | format | ${keys.map((key) => columns[key]).join(' | ')} |`,
    `|---|---|${keys.map(() => '---').join('|')}|`,
    ...rows.map(
      (r) =>
        `| ${r.feature} | v${r.formatVersion} | ${keys.map((key) => r.cells[key] ?? '').join(' | ')} |`,
    ),
  ].join('\n')
}

/** The table of the section is what was measured, or becomes so. */
export function expectSection(heading: string, table: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const start = page.indexOf(`\n## ${heading}\n`)
  expect(start, `docs/compatibility.md has no section "${heading}"`).toBeGreaterThan(0)
  const next = page.indexOf('\n## ', start + 1)
  const end = next < 0 ? page.length : next
  const section = page.slice(start, end)
  const found = /\n(\|[^\n]*\n)+/.exec(section)
  if (process.env['FLOE_WRITE_MATRIX'] !== '1') {
    expect(found?.[0].trim()).toBe(table)
    return
  }
  const written =
    found === null
      ? `${section.trimEnd()}\n\n${table}\n`
      : section.replace(found[0], () => `\n${table}\n`)
  writeFileSync(PAGE, `${page.slice(0, start)}${written}${page.slice(end)}`)
}
