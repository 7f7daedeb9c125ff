/** Which requests fetch the chunks of a row group: neighbours together, and none too large. */
import type { RowGroupFilePlan } from './row-group-file.ts'

/** One range of the data file, and where its parts belong in the assembled file. */
export interface RangeRead {
  readonly offset: number
  readonly length: number
  readonly copies: readonly {
    /** Within the range. */
    readonly from: number
    readonly to: number
    readonly length: number
  }[]
}

/** Bytes that are read in vain rather than asked for in a request of their own. */
const GAP_BYTES = 128 * 1024
const MAX_READ_BYTES = 8 * 1024 * 1024

/** The reads for a plan, in file order. */
export function planReads(plan: RowGroupFilePlan): RangeRead[] {
  const pieces = plan.ranges
    .flatMap((range, i) => split(range.offset, plan.chunks[i]?.offset as number, range.length))
    .sort((a, b) => a.offset - b.offset)
  const reads: RangeRead[] = []
  let group: Piece[] = []
  let end = 0
  const close = (): void => {
    const first = group[0]
    if (first === undefined) return
    const { offset } = first
    const copies = group.map((p) => ({ from: p.offset - offset, to: p.to, length: p.length }))
    reads.push({ offset, length: end - offset, copies })
    group = []
  }
  for (const piece of pieces) {
    const start = group[0]?.offset ?? piece.offset
    const pieceEnd = piece.offset + piece.length
    if (group.length > 0 && (piece.offset > end + GAP_BYTES || pieceEnd - start > MAX_READ_BYTES)) {
      close()
    }
    end = group.length === 0 ? pieceEnd : Math.max(end, pieceEnd)
    group.push(piece)
  }
  close()
  return reads
}

interface Piece {
  readonly offset: number
  readonly to: number
  readonly length: number
}

function split(offset: number, to: number, length: number): Piece[] {
  const pieces: Piece[] = []
  for (let done = 0; done < length; done += MAX_READ_BYTES) {
    const size = Math.min(MAX_READ_BYTES, length - done)
    pieces.push({ offset: offset + done, to: to + done, length: size })
  }
  return pieces
}
