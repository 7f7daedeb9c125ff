/** Names of the REST protocol from and to names of a lake, which have dots between their levels. */
import { isFloeError } from '../../core/errors.ts'
import { parseIdentifier, parseNamespace } from '../../iceberg/catalog/identifier.ts'

/** Between the levels of a namespace in paths and queries: 0x1F, the unit separator. */
const SEPARATOR = '\u001f'

/** The levels of a namespace's text. */
export function levelsOf(text: string): readonly string[] {
  return text.split(SEPARATOR)
}

/**
 * The name of a namespace in the lake; undefined for one that no lake can have, for a level with a dot too:
 * in the lake that would be two levels.
 */
export function lakeNamespace(levels: readonly string[]): string | undefined {
  if (levels.some((level) => level.includes('.'))) return undefined
  return valid(levels.join('.'), parseNamespace)
}

/** The name of a table in the lake; undefined for one that no lake can have. */
export function lakeTable(levels: readonly string[], table: string): string | undefined {
  if (table.includes('.') || lakeNamespace(levels) === undefined) return undefined
  return valid([...levels, table].join('.'), parseIdentifier)
}

function valid(name: string, parse: (name: string) => unknown): string | undefined {
  try {
    parse(name)
    return name
  } catch (error) {
    if (isFloeError(error, 'BAD_NAME')) return undefined
    throw error
  }
}
