/** Assigns row ids to manifests. Iceberg spec §First Row ID Assignment (iceberg-writer.md items 75, 76, 81). */
import { assert } from '../../core/errors.ts'
import type { ManifestFile } from './entry.ts'

export interface FirstRowIds {
  /** The manifests in their order, every data manifest with a first row id. */
  readonly manifests: readonly ManifestFile[]
  /** The table's next row id after the commit. */
  readonly nextRowId: bigint
  /** The snapshot's `added-rows`. */
  readonly addedRows: bigint
}

/**
 * Gives each data manifest without a first row id the next one, leaving room for all its added and existing rows;
 * the others keep theirs. Depends on the order of the manifests: assign in the order in which they are written.
 * @param firstRowId the table's next row id, read anew in each attempt of a commit (item 74).
 */
export function assignFirstRowIds(
  manifests: readonly ManifestFile[],
  firstRowId: bigint,
): FirstRowIds {
  let nextRowId = firstRowId
  const assigned = manifests.map((manifest): ManifestFile => {
    if (manifest.content !== 'data' || manifest.firstRowId !== undefined) return manifest
    const { addedRowsCount, existingRowsCount } = manifest
    assert(
      addedRowsCount !== undefined && existingRowsCount !== undefined,
      'a manifest that gets row ids has its rows counted (item 75)',
      { manifest: manifest.manifestPath },
    )
    const first = nextRowId
    nextRowId += BigInt(addedRowsCount) + BigInt(existingRowsCount)
    return { ...manifest, firstRowId: first }
  })
  return { manifests: assigned, nextRowId, addedRows: nextRowId - firstRowId }
}
