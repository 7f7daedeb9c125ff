/** Names that Avro allows, for field names that it does not. Iceberg spec §Appendix A: Avro (item 43). */

/**
 * The name itself where Avro allows it; else a leading digit gets a `_` before it, and any other character becomes
 * `_x` and its hexadecimal UTF-16 code. Letters beyond ASCII are replaced too: strict readers refuse them.
 */
export function avroName(name: string): string {
  if (name === '') return '_'
  const replaced = name.replace(
    /[^A-Za-z0-9_]/g,
    (unit) => `_x${unit.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return /^[0-9]/.test(replaced) ? `_${replaced}` : replaced
}
