/**
 * What has to be done to bring a key index to a state of its table. States are compared, not histories: it makes no
 * difference who committed what, or whether the table was set back in between.
 */
import { parallelMap } from '../../core/concurrency.ts'
import { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'
import type { FileDeletes } from '../../iceberg/table/deletes/delete-index.ts'
import { DeleteLoader } from '../../iceberg/table/deletes/delete-loader.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import { deletesKey, type LiveFile, type LiveFiles } from '../../iceberg/table/live-files.ts'
import type { FileContents, IndexedFiles, KnownFile } from './indexed-files.ts'

/** A data file of the wanted state. */
export interface SeenFile {
  readonly live: LiveFile
  readonly deletes: FileDeletes | undefined
  readonly contents: FileContents
}

export interface FileDifferences {
  /** Files whose rows go, also those that are read again. */
  readonly gone: readonly KnownFile[]
  /** Files to be read. */
  readonly read: readonly SeenFile[]
  /** Files of which rows were deleted, at most. */
  readonly changed: readonly { readonly file: KnownFile; readonly contents: FileContents }[]
}

/** Compares the files that an index knows with the live ones. @throws what loading deletes fails with */
export async function compareFiles(
  env: Environment,
  known: IndexedFiles,
  live: LiveFiles,
  signal: AbortSignal | undefined,
): Promise<FileDifferences> {
  const unlike: { live: LiveFile; deletes: FileDeletes | undefined; key: string }[] = []
  for (const [path, file] of live.data) {
    const deletes = live.deletesOf(file)
    const key = deletesKey(deletes)
    const own = known.byPath(path)
    if (own?.contents.deletesKey !== key || !isSameFile(own, file)) {
      unlike.push({ live: file, deletes, key })
    }
  }
  // One loader for all, since vectors share Puffin files.
  const loader = new DeleteLoader(env, signal)
  const seen = await parallelMap(
    unlike,
    env.limits.concurrentRequests,
    async ({ live: file, deletes, key }): Promise<SeenFile> => {
      const positions =
        deletes === undefined ? NO_ROWS : await loader.positions(file.entry.file, deletes)
      const equality = deletes?.equality.map((e) => e.file.filePath).join('\n') ?? ''
      return { live: file, deletes, contents: { deleted: positions, deletesKey: key, equality } }
    },
  )
  const gone = [...known.values()].filter(({ path }) => !live.data.has(path))
  const read: SeenFile[] = []
  const changed: { file: KnownFile; contents: FileContents }[] = []
  for (const file of seen) {
    const own = known.byPath(file.live.entry.file.filePath)
    if (own === undefined) read.push(file)
    else if (isSameFile(own, file.live) && onlyDeleted(own.contents, file.contents)) {
      changed.push({ file: own, contents: file.contents })
    } else {
      gone.push(own)
      read.push(file)
    }
  }
  return { gone, read, changed }
}

const NO_ROWS = PositionBitmap.EMPTY

function isSameFile(own: KnownFile, { entry }: LiveFile): boolean {
  return own.recordCount === entry.file.recordCount
}

/** True if the new contents are the old ones, or fewer rows of them by position. */
function onlyDeleted(before: FileContents, now: FileContents): boolean {
  return before.equality === now.equality && before.deleted.isSubsetOf(now.deleted)
}
