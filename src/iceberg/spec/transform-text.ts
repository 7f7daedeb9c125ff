/** Transforms as text: `bucket[16]` in metadata, also `bucket(16, id)` from users. Items 16, 17. */
import type { Transform } from './transform.ts'

/** The canonical text of metadata. */
export function transformText(transform: Transform): string {
  switch (transform.kind) {
    case 'bucket':
      return `bucket[${transform.numBuckets}]`
    case 'truncate':
      return `truncate[${transform.width}]`
    case 'unknown':
      return transform.text
    default:
      return transform.kind
  }
}

/** The transform of a text; one that is not known is kept as `unknown`, never refused on read. */
export function transformFromText(text: string): Transform {
  const lower = text.trim().toLowerCase()
  switch (lower) {
    case 'identity':
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
    case 'void':
      return { kind: lower }
  }
  const match = /^(bucket|truncate)\[(\d{1,10})\]$/.exec(lower)
  const n = Number(match?.[2])
  if (match === null || n < 1 || n > 2 ** 31 - 1) return { kind: 'unknown', text }
  return match[1] === 'bucket' ? { kind: 'bucket', numBuckets: n } : { kind: 'truncate', width: n }
}
