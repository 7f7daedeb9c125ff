/** Exit codes of the command line; they never change their meaning. */
import { type ErrorKind, isFloeError } from '../core/errors.ts'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unknownOutcome: 5,
  corrupt: 6,
} as const

/** Arguments that a command does not understand: told with the command's usage. */
export class UsageError extends Error {}

const BY_KIND: Readonly<Partial<Record<ErrorKind, number>>> = {
  'invalid-argument': EXIT.usage,
  'not-found': EXIT.notFound,
  conflict: EXIT.conflict,
  'already-exists': EXIT.conflict,
  'unknown-outcome': EXIT.unknownOutcome,
  'invalid-data': EXIT.corrupt,
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (isFloeError(error)) return BY_KIND[error.kind] ?? EXIT.failed
  return EXIT.failed
}
