/** Finds the corpus of files that other engines wrote, which lives beside the repository and may be absent. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../../shared/corpus/', import.meta.url))

export interface CorpusEntry {
  readonly id: string
  readonly kind: string
  readonly path: string
  readonly [key: string]: unknown
}

export const corpusPresent: boolean = existsSync(`${ROOT}index.json`)

/** The absolute path of a file of the corpus. */
export function corpusPath(relative: string): string {
  return ROOT + relative
}

/** All entries of the corpus's index, or none where it is absent. */
export function corpusIndex(): CorpusEntry[] {
  if (!corpusPresent) return []
  return JSON.parse(readFileSync(`${ROOT}index.json`, 'utf8')) as CorpusEntry[]
}

/** `describe` that runs where the corpus is present and skips with a clear line where it is not. */
export function describeCorpus(name: string, body: () => void): void {
  if (corpusPresent) describe(name, body)
  else {
    // The body reads the corpus where it only lists its tests, so it must not run.
    describe.skip(`${name} (skipped: no corpus beside the repository)`, () => {
      it('needs the corpus', body)
    })
  }
}
