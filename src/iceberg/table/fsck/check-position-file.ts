/** Invariant (b) for the rows of one position delete file (item 82). Memory does not grow with the file. */
import type { Data } from 'apache-arrow'
import { loadArrow } from '../../columns/arrow.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { referencedPath } from '../deletes/delete-index.ts'
import { readDeleteFile } from '../deletes/delete-loader.ts'
import { DELETE_FILE_PATH, DELETE_POS } from '../deletes/reserved-fields.ts'
import type { Environment } from '../environment.ts'
import { sameScope } from './check-deletes.ts'
import type { FsckFindings } from './report.ts'

/**
 * @param data all known data files by canonical path; others that the file names are gone.
 * @throws what reading the file fails with.
 */
export async function checkPositionFile(
  env: Environment,
  file: ContentFile,
  data: ReadonlyMap<string, ContentFile>,
  signal: AbortSignal | undefined,
  findings: FsckFindings,
): Promise<void> {
  await loadArrow()
  const reported = new Set<string>()
  /** Each kind once: a file in the wrong order is so in many rows. */
  const add = (kind: string, message: string): void => {
    if (reported.has(kind)) return
    reported.add(kind)
    findings.add('delete-files', message, { file: file.filePath })
  }
  const referenced = referencedPath(file)
  const only = referenced === undefined ? undefined : env.canonicalPath(referenced)
  let row = 0
  let bytesOfPath: Buffer | undefined
  let path = ''
  let position = -1n
  let target: ContentFile | undefined
  for await (const batch of readDeleteFile(env, file, [DELETE_FILE_PATH, DELETE_POS], signal)) {
    const [paths, pos] = (batch.data as unknown as Data).children as [Data, Data]
    const offsets = paths.valueOffsets as Int32Array
    const words = pos.values as BigInt64Array
    for (let i = 0; i < batch.numRows; i++, row++) {
      if (!paths.getValid(i) || !pos.getValid(i)) {
        add('null', `row ${row} names no file or no position`)
        continue
      }
      const bytes = (paths.values as Uint8Array).subarray(offsets[i] as number, offsets[i + 1])
      const order = bytesOfPath === undefined ? 1 : Buffer.compare(bytes, bytesOfPath)
      if (order !== 0) {
        if (order < 0) add('order', `row ${row} is not in the order of files`)
        bytesOfPath = Buffer.from(bytes)
        path = bytesOfPath.toString()
        position = -1n
        const key = env.canonicalPath(path)
        target = data.get(key)
        if (only !== undefined && key !== only) {
          add('other', `row ${row} is about ${path}, the manifest says ${referenced}`)
        }
        if (target !== undefined && !sameScope(target, file)) {
          add('scope', `row ${row} is about ${path}, which has another partition`)
        }
      }
      const at = words[i] as bigint
      if (at === position) add('twice', `row ${row} deletes position ${at} of ${path} again`)
      else if (at < position) add('order', `row ${row} is not in the order of positions`)
      if (at < 0n || (target !== undefined && at >= BigInt(target.recordCount))) {
        const rows = target === undefined ? '' : `, which has ${target.recordCount} rows`
        add('range', `row ${row} deletes position ${at} of ${path}${rows}`)
      }
      position = at
    }
  }
  if (row !== file.recordCount) {
    add('count', `the file has ${row} rows, its manifest says ${file.recordCount}`)
  }
}
