/** Lists in pages, as the REST specification has it under PageToken. */
import { asArray, asString, parseJson, stringifyJson } from '../../core/json.ts'
import { badRequest } from './rest-error.ts'

/** Results of a page whose size the client leaves open. */
const DEFAULT_PAGE_SIZE = 1000

export interface Page {
  readonly items: readonly string[]
  /** For the next request; null after the last item. */
  readonly nextPageToken: string | null
}

/**
 * The page that a query asks for. A token says after which name to go on, so that names that come or go in between
 * are neither shown twice nor make others be left out. Without a token all are given at once, whatever the page size:
 * such a client does not ask again.
 * @param items sorted as strings.
 * @param list names the list, so that a token of one is refused by another.
 * @throws RestError 400
 */
export function pageOf(items: readonly string[], query: URLSearchParams, list: string): Page {
  const size = pageSize(query.get('pageSize'))
  const token = query.get('pageToken')
  if (token === null) return { items, nextPageToken: null }
  const after = token === '' ? undefined : readToken(token, list)
  const rest = after === undefined ? items : items.filter((item) => item > after)
  const page = rest.slice(0, size)
  const last = page.at(-1)
  return {
    items: page,
    nextPageToken: rest.length > page.length && last !== undefined ? writeToken(list, last) : null,
  }
}

function pageSize(text: string | null): number {
  if (text === null) return DEFAULT_PAGE_SIZE
  const size = Number(text)
  if (!/^\d{1,9}$/.test(text) || size < 1) {
    throw badRequest('pageSize must be a positive integer')
  }
  return size
}

function writeToken(list: string, last: string): string {
  return Buffer.from(stringifyJson([list, last])).toString('base64url')
}

function readToken(token: string, list: string): string {
  let parts: string[]
  try {
    const json = parseJson(Buffer.from(token, 'base64url').toString(), 'a page token', 2)
    parts = asArray(json, 'a page token').map((part) => asString(part, 'a page token'))
  } catch {
    parts = []
  }
  if (parts.length !== 2 || parts[0] !== list) {
    throw badRequest(
      'pageToken is not one that this list gave. Start again with an empty pageToken',
    )
  }
  return parts[1] as string
}
