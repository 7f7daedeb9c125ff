/** Invariant (b) as far as Puffin files decide it: footers always, the vectors themselves if data is to be read. */
import type { ContentFile } from '../../manifest/entry.ts'
import { DELETION_VECTOR_BLOB, decodeDeletionVector } from '../../puffin/deletion-vector.ts'
import { type BlobMetadata, fetchPuffinFooter } from '../../puffin/puffin-file.ts'
import { type Environment, requestOptions } from '../environment.ts'
import type { FsckFindings } from './report.ts'

/** A vector and, if it is there, the data file that it is about. */
export interface VectorOfFile {
  readonly vector: ContentFile
  readonly data: ContentFile | undefined
}

/**
 * Checks one Puffin file and the vectors in it that the table uses.
 * @throws what reading the file fails with.
 */
export async function checkPuffin(
  env: Environment,
  file: string,
  vectors: readonly VectorOfFile[],
  options: { readonly contents: boolean; readonly signal: AbortSignal | undefined },
  findings: FsckFindings,
): Promise<void> {
  const { limits, store } = env
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    store.get(file, { range: { offset, length }, ...requestOptions(options.signal) })
  const sizeBytes = (vectors[0] as VectorOfFile).vector.fileSizeBytes
  const { blobs } = await fetchPuffinFooter({ file, sizeBytes, limits, read })
  for (const each of vectors) {
    const { contentOffset: offset, contentSizeBytes: length } = each.vector
    // check-deletes.ts has reported it.
    if (offset === undefined || length === undefined) continue
    checkBlob(env, each.vector, blobs, findings)
    if (!options.contents) continue
    const positions = decodeDeletionVector(await read(offset, length), { file, limits })
    const add = (message: string): void => findings.add('deletion-vectors', message, { file })
    const target = String(each.vector.referencedDataFile)
    if (positions.cardinality !== each.vector.recordCount) {
      add(
        `the vector of ${target} deletes ${positions.cardinality} rows, its manifest says ${each.vector.recordCount}`,
      )
    }
    if (each.data !== undefined && positions.last >= each.data.recordCount) {
      add(
        `the vector deletes row ${positions.last} of ${target}, which has ${each.data.recordCount} rows`,
      )
    }
  }
}

/** What the footer says of a vector's blob is what its manifest entry says (items 89, 90). */
function checkBlob(
  env: Environment,
  vector: ContentFile,
  blobs: readonly BlobMetadata[],
  findings: FsckFindings,
): void {
  const { filePath: file, contentOffset, contentSizeBytes, recordCount } = vector
  const add = (message: string): void => findings.add('deletion-vectors', message, { file })
  const target = String(vector.referencedDataFile)
  const blob = blobs.find((b) => b.offset === contentOffset && b.length === contentSizeBytes)
  if (blob === undefined) {
    add(
      `the footer has no blob of ${contentSizeBytes} bytes at ${contentOffset}, where the vector of ${target} is`,
    )
    return
  }
  if (blob.type !== DELETION_VECTOR_BLOB) {
    add(`the blob of the vector of ${target} is a ${blob.type.slice(0, 80)}`)
  }
  if (blob.compressionCodec !== undefined) {
    add(`the blob of the vector of ${target} is compressed`)
  }
  const named = blob.properties['referenced-data-file']
  if (named === undefined || env.canonicalPath(named) !== env.canonicalPath(target)) {
    add(`the footer says that the vector of ${target} is that of ${named ?? 'no file'}`)
  }
  const { cardinality } = blob.properties
  if (cardinality !== String(recordCount)) {
    add(
      `the footer says that the vector of ${target} deletes ${cardinality ?? 'no'} rows, its manifest says ${recordCount}`,
    )
  }
}
