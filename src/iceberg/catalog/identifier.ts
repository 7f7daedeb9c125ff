/** Table names from and to text: `shop.orders`, `a.b.orders`. */
import { FloeError } from '../../core/errors.ts'
import type { TableIdentifier } from './catalog.ts'

/**
 * The identifier of `namespace.table`; more dots make a nested namespace.
 * @throws BAD_NAME for empty parts, missing namespace, slashes, control characters or parts over 128 characters.
 */
export function parseIdentifier(name: string): TableIdentifier {
  const parts = parseNamespace(name)
  if (parts.length < 2) {
    throw new FloeError(
      'BAD_NAME',
      `The table name ${JSON.stringify(name)} has no namespace. Write namespace.table, for example shop.orders`,
    )
  }
  return { namespace: parts.slice(0, -1), name: parts[parts.length - 1] as string }
}

/** The parts of a dotted namespace. @throws BAD_NAME */
export function parseNamespace(name: string): readonly string[] {
  const parts = String(name).split('.')
  for (const part of parts) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (part === '' || part.length > 128 || /[/\\\u0000-\u001f\u007f]/.test(part)) {
      throw new FloeError(
        'BAD_NAME',
        `The name ${JSON.stringify(String(name).slice(0, 200))} has a part that is empty, over 128 characters, or holds a slash or control character`,
      )
    }
  }
  return parts
}

/** `namespace.table`, the inverse of {@link parseIdentifier}. */
export function identifierText(identifier: TableIdentifier): string {
  return [...identifier.namespace, identifier.name].join('.')
}
