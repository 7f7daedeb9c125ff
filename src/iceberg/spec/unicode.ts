/**
 * Strings that have a UTF-8 form. A lone surrogate has none: encoders write U+FFFD in its place, so that such a
 * string is not the value that would be stored (iceberg-writer.md item 69).
 */

/** True if the text holds no lone surrogate. */
export function isWellFormed(text: string): boolean {
  return (text as WellFormed).isWellFormed()
}

/** The text as it is after encoding: U+FFFD for each lone surrogate. */
export function toWellFormed(text: string): string {
  return (text as WellFormed).toWellFormed()
}

/** In every Node since 20; in TypeScript's library from ES2024 on. */
type WellFormed = string & { isWellFormed(): boolean; toWellFormed(): string }
