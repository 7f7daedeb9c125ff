import { readdirSync } from 'node:fs'

/** Names of the segment files in the folder of a partition, in order. */
export function segments(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()
}
