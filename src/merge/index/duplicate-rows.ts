/** Further live rows of keys that a table has more than once (merge.md MG-24), beside the row that a slot names. */
import type { RowsToRemove } from './gone-rows.ts'
import type { EncodedKeys, KeyCodec } from './key-codec.ts'

export interface DuplicateRow {
  readonly fileId: number
  readonly position: number
  /** For each side column, two words. */
  readonly side: readonly Uint32Array[]
}

/** Tables should have none; they cost far more than slots. */
export class DuplicateRows {
  readonly #codec: KeyCodec
  readonly #byKey = new Map<string, DuplicateRow[]>()
  #rows = 0

  constructor(codec: KeyCodec) {
    this.#codec = codec
  }

  /** Keys with more than one row. */
  get keys(): number {
    return this.#byKey.size
  }

  /** Bytes of memory, roughly. */
  get bytes(): number {
    return this.#rows * ROW_BYTES + this.#byKey.size * KEY_BYTES
  }

  /** @param row which of the keys. */
  add(keys: EncodedKeys, row: number, duplicate: DuplicateRow): void {
    const text = keyText(keys, row)
    const rows = this.#byKey.get(text)
    if (rows === undefined) this.#byKey.set(text, [duplicate])
    else rows.push(duplicate)
    this.#rows++
  }

  of(keys: EncodedKeys, row: number): readonly DuplicateRow[] {
    return this.#byKey.get(keyText(keys, row)) ?? []
  }

  /** Forgets rows that are gone. */
  remove(gone: RowsToRemove): void {
    if (this.#rows === 0) return
    for (const [text, rows] of this.#byKey) {
      const left = rows.filter(({ fileId, position }) => {
        const positions = gone.get(fileId)
        return positions !== 'all' && !(positions?.has(position) ?? false)
      })
      if (left.length === rows.length) continue
      this.#rows -= rows.length - left.length
      if (left.length === 0) this.#byKey.delete(text)
      else this.#byKey.set(text, left)
    }
  }

  /** All keys that have further rows. */
  all(): EncodedKeys {
    const { words: keyWords } = this.#codec
    const words = new Uint32Array(this.#byKey.size * keyWords)
    let to = 0
    for (const text of this.#byKey.keys()) {
      for (let at = 0; at < text.length; at += 2) {
        words[to++] = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)
      }
    }
    return { codec: this.#codec, rows: this.#byKey.size, words, nulls: undefined }
  }

  /** Takes one row of a key out, to be named by a slot. */
  take(keys: EncodedKeys, row: number): DuplicateRow {
    const text = keyText(keys, row)
    const [first, ...others] = this.#byKey.get(text) as [DuplicateRow, ...DuplicateRow[]]
    if (others.length === 0) this.#byKey.delete(text)
    else this.#byKey.set(text, others)
    this.#rows--
    return first
  }
}

const ROW_BYTES = 112
const KEY_BYTES = 200

/** The words of a key as text, sixteen bits a character: what a Map can find them by. */
function keyText({ codec, words }: EncodedKeys, row: number): string {
  let text = ''
  for (let at = row * codec.words; at < (row + 1) * codec.words; at++) {
    const word = words[at] as number
    text += String.fromCharCode(word & 0xffff, word >>> 16)
  }
  return text
}
