/**
 * Locations: absolute URIs as Iceberg engines write them, and the rule that a table's files lie inside its roots.
 *
 * Stored paths are plain strings: nothing is percent-decoded or normalised when a file is opened, as Java and
 * Hadoop do not either, so a path names the same file for every engine. Anything that could climb out of a root
 * (`..`, encoded dots, backslashes, NUL) is refused instead.
 */
import { FloeError } from '../core/errors.ts'
import { redactUrl } from '../core/secret.ts'

const SCHEME = /^([a-zA-Z][a-zA-Z0-9+.-]*):/

/**
 * The canonical form of a location that a caller gives: an absolute path becomes `file:///…`, `file:/…` too;
 * no trailing slash.
 * @param cwd resolves relative paths; without it they are refused.
 * @throws BAD_LOCATION
 */
export function parseLocation(location: string, cwd?: string): string {
  if (typeof location !== 'string' || location === '') throw bad(location, 'is empty')
  let uri = location
  const scheme = SCHEME.exec(location)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    const path = location.startsWith('/')
      ? location
      : cwd === undefined
        ? undefined
        : `${cwd.replace(/\/+$/, '')}/${location.replace(/^(\.\/)+/, '')}`
    if (path === undefined) throw bad(location, 'is not an absolute path or URI')
    uri = `file://${path}`
  } else if (scheme === 'file') {
    uri = fileUri(location.slice('file:'.length), location, cwd)
  } else {
    // s3a and s3n are Hadoop's names for the same place: read as equal, never written.
    const own = scheme === 's3a' || scheme === 's3n' ? 's3' : scheme
    uri = `${own}:${location.slice(scheme.length + 1)}`
    if (!/^[a-z0-9+.-]+:\/\/[^/]+/.test(uri))
      throw bad(location, 'has no authority after the scheme')
  }
  checkSafe(uri)
  return uri.replace(/(?<=[^/:])\/+$/, '')
}

/** Joins path segments; segments hold no leading slash. */
export function joinLocation(base: string, ...segments: string[]): string {
  return [base.replace(/\/+$/, ''), ...segments].join('/')
}

/** The scheme of a URI, lower case; 'file' for a bare path. */
export function schemeOf(path: string): string {
  return SCHEME.exec(path)?.[1]?.toLowerCase() ?? 'file'
}

/** The file system path of a `file:` URI or bare path, taken literally. */
export function localPath(path: string): string {
  if (path.startsWith('file://')) return path.slice('file://'.length)
  if (path.startsWith('file:')) return path.slice('file:'.length)
  return path
}

/** One path segment of a name or partition value: what is not plain is percent-encoded, once. */
export function encodeSegment(text: string): string {
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  // A segment of dots alone would mean the folder itself or the one above.
  return /^\.+$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded
}

/** True if `path` is `root` or lies below it, compared as strings after dropping equivalent spellings. */
export function isInside(path: string, root: string): boolean {
  const p = comparable(path)
  const r = comparable(root)
  return p === r || p.startsWith(r.endsWith('/') ? r : `${r}/`)
}

/**
 * Checks that a path that metadata names is safe and inside one of the roots.
 * @throws PATH_OUTSIDE_ROOT naming path and roots.
 */
export function checkInside(path: string, roots: readonly string[]): void {
  const unsafe = unsafeReason(path)
  if (unsafe === undefined && roots.some((root) => isInside(path, root))) return
  throw new FloeError(
    'PATH_OUTSIDE_ROOT',
    `The file ${redactUrl(path).slice(0, 300)} ${unsafe ?? 'lies outside the table'}. Allowed: ${roots.map(redactUrl).join(', ')}. If the table is trusted, allow the place with the option roots`,
    { context: { file: redactUrl(path).slice(0, 300) } },
  )
}

/** A form in which paths of one place are equal: `file:/a`, `file:///a` and `/a` are one, as are s3, s3a and s3n. */
export function comparable(path: string): string {
  const scheme = schemeOf(path)
  if (scheme === 'file') return `file://${localPath(path).replace(/\/{2,}/g, '/')}`
  if (scheme === 's3a' || scheme === 's3n') return `s3${path.slice(path.indexOf(':'))}`
  return path
}

function fileUri(rest: string, location: string, cwd: string | undefined): string {
  if (rest.startsWith('///')) return `file://${rest.slice(2)}`
  if (rest.startsWith('//')) {
    const slash = rest.indexOf('/', 2)
    const host = slash < 0 ? rest.slice(2) : rest.slice(2, slash)
    if (host === 'localhost') return `file://${rest.slice(slash)}`
    throw bad(location, `names the host "${host}": file locations are local`)
  }
  if (rest.startsWith('/')) return `file://${rest}`
  if (cwd === undefined) throw bad(location, 'is not absolute')
  return `file://${cwd.replace(/\/+$/, '')}/${rest.replace(/^(\.\/)+/, '')}`
}

function checkSafe(uri: string): void {
  const reason = unsafeReason(uri)
  if (reason !== undefined) throw bad(uri, reason)
}

function unsafeReason(path: string): string | undefined {
  if (path.length > 4096) return 'is longer than 4096 characters'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'holds a control character'
  if (path.includes('\\')) return 'holds a backslash'
  const dots = /(^|[/:])(\.|%2e){1,2}(\/|$)/i
  if (dots.test(path)) return 'holds a "." or ".." segment'
  if (/%2f|%5c|%00/i.test(path) && /(\.|%2e){2}/i.test(path)) return 'holds an encoded separator'
  const authority = /^[a-z0-9+.-]+:\/\/([^/]*)/i.exec(path)?.[1] ?? ''
  if (authority.includes('@')) return 'holds user info'
  return undefined
}

function bad(location: string, why: string): FloeError {
  return new FloeError(
    'BAD_LOCATION',
    `The location ${JSON.stringify(redactUrl(String(location)).slice(0, 200))} ${why}. Give an absolute path or a URI such as file:///data/lake`,
  )
}
