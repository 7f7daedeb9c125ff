/**
 * Decodes Zstandard in time and memory bound by the output it may make. RFC 8878.
 *
 * Written for untrusted bytes: a block of 26 bytes can declare sequences that would copy gigabytes, so lengths are
 * added up and refused before anything is copied, and the output grows only as it is made. Dictionaries are not
 * supported; content checksums are passed over, not verified. It knows nothing of files.
 */

/**
 * Decompresses all frames of the data.
 * @param maxBytes most bytes of output; more is 'too-large'.
 */
export function zstdDecompress(
  data: Uint8Array,
  maxBytes: number,
): Uint8Array | 'too-large' | 'corrupt' {
  try {
    return new ZstdDecoder(data, maxBytes).run()
  } catch (error) {
    if (error instanceof ZstdFailure) return error.reason
    throw error
  }
}

class ZstdFailure extends Error {
  readonly reason: 'too-large' | 'corrupt'

  constructor(reason: 'too-large' | 'corrupt') {
    super(reason)
    this.reason = reason
  }
}

/** A decoding table of finite state entropy: for each state a symbol, and how to find the next state. */
interface FseTable {
  readonly accuracyLog: number
  readonly symbols: Uint8Array
  readonly bits: Uint8Array
  readonly bases: Uint16Array
}

/** A decoding table of Huffman codes, indexed by the next `maxBits` bits. */
interface HuffmanTable {
  readonly maxBits: number
  readonly symbols: Uint8Array
  readonly bits: Uint8Array
}

/** One of the three symbol types of a sequence: literal length, offset, match length. */
interface SequenceKind {
  readonly maxAccuracyLog: number
  readonly maxSymbol: number
  readonly predefined: FseTable
}

const FRAME_MAGIC = 0xfd2f_b528
const SKIPPABLE_MAGIC = 0x184d_2a50
const MAX_BLOCK_BYTES = 128 * 1024
const MAX_HUFFMAN_BITS = 11

class ZstdDecoder {
  private readonly data: Uint8Array
  private readonly maxBytes: number
  private pos = 0
  private out: Uint8Array
  private length = 0

  // State of the frame under way.
  private frameStart = 0
  private blockMax = 0
  private huffman: HuffmanTable | undefined
  private tables: (FseTable | undefined)[] = []
  private repeats: [number, number, number] = [1, 4, 8]
  private readonly literals = new Uint8Array(MAX_BLOCK_BYTES)
  private literalCount = 0

  constructor(data: Uint8Array, maxBytes: number) {
    this.data = data
    this.maxBytes = maxBytes
    this.out = new Uint8Array(Math.min(maxBytes, Math.max(1024, 4 * data.byteLength)))
  }

  run(): Uint8Array {
    while (this.pos < this.data.byteLength) {
      const magic = this.littleEndian(4)
      if (magic === FRAME_MAGIC) this.frame()
      else if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) this.take(this.littleEndian(4))
      else throw new ZstdFailure('corrupt')
    }
    return this.out.subarray(0, this.length)
  }

  private frame(): void {
    const descriptor = this.byte()
    const singleSegment = (descriptor & 0x20) !== 0
    if ((descriptor & 0x08) !== 0) throw new ZstdFailure('corrupt')
    let windowBytes = 0
    if (!singleSegment) {
      const window = this.byte()
      const base = 2 ** (10 + (window >>> 3))
      windowBytes = base + (base / 8) * (window & 7)
    }
    if (this.littleEndian([0, 1, 2, 4][descriptor & 3] as number) !== 0) {
      throw new ZstdFailure('corrupt')
    }
    const sizeFlag = descriptor >>> 6
    const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
    const contentBytes = this.littleEndian(sizeBytes) + (sizeFlag === 1 ? 256 : 0)
    if (sizeBytes > 0 && contentBytes > this.maxBytes - this.length) {
      throw new ZstdFailure('too-large')
    }
    this.frameStart = this.length
    this.blockMax = Math.min(singleSegment ? contentBytes : windowBytes, MAX_BLOCK_BYTES)
    this.huffman = undefined
    this.tables = [undefined, undefined, undefined]
    this.repeats = [1, 4, 8]
    while (!this.block());
    if (sizeBytes > 0 && this.length - this.frameStart !== contentBytes) {
      throw new ZstdFailure('corrupt')
    }
    if ((descriptor & 0x04) !== 0) this.take(4)
  }

  /** Decodes one block; true if it was the last of its frame. */
  private block(): boolean {
    const header = this.littleEndian(3)
    const size = header >>> 3
    if (size > this.blockMax) throw new ZstdFailure('corrupt')
    switch ((header >>> 1) & 3) {
      case 0: {
        const start = this.take(size)
        this.reserve(size)
        this.out.set(this.data.subarray(start, start + size), this.length)
        this.length += size
        break
      }
      case 1: {
        const value = this.byte()
        this.reserve(size)
        this.out.fill(value, this.length, this.length + size)
        this.length += size
        break
      }
      case 2: {
        const start = this.take(size)
        this.compressedBlock(start, start + size)
        break
      }
      default:
        throw new ZstdFailure('corrupt')
    }
    return (header & 1) === 1
  }

  private compressedBlock(start: number, end: number): void {
    const blockStart = this.length
    // A block makes at most this much: reserved once, so that no copy below has to ask.
    this.reserve(Math.min(this.blockMax, this.maxBytes - this.length))
    const next = this.literalsSection(start, end)
    this.sequencesSection(next, end, blockStart)
  }

  /** Decodes the literals of a block into `literals`; returns where the sequences start. */
  private literalsSection(start: number, end: number): number {
    const data = this.data
    const first = at(data, start, end)
    const type = first & 3
    const format = (first >>> 2) & 3
    if (type < 2) {
      const headerBytes = format === 1 ? 2 : format === 3 ? 3 : 1
      const header = le(data, start, headerBytes, end)
      const count = headerBytes === 1 ? header >>> 3 : header >>> 4
      this.setLiteralCount(count)
      const body = start + headerBytes
      if (type === 1) {
        this.literals.fill(at(data, body, end), 0, count)
        return body + 1
      }
      if (count > end - body) throw new ZstdFailure('corrupt')
      this.literals.set(data.subarray(body, body + count))
      return body + count
    }
    const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18
    const headerBytes = format < 2 ? 3 : format === 2 ? 4 : 5
    const header = le(data, start, headerBytes, end)
    const range = 2 ** sizeBits
    const count = Math.floor(header / 16) % range
    const compressed = Math.floor(header / (16 * range)) % range
    this.setLiteralCount(count)
    let body = start + headerBytes
    const bodyEnd = body + compressed
    if (bodyEnd > end) throw new ZstdFailure('corrupt')
    if (type === 2) body = this.huffmanTable(body, bodyEnd)
    const table = this.huffman
    if (table === undefined) throw new ZstdFailure('corrupt')
    if (format === 0) this.huffmanStream(table, body, bodyEnd, 0, count)
    else this.huffmanStreams(table, body, bodyEnd, count)
    return bodyEnd
  }

  private setLiteralCount(count: number): void {
    if (count > this.blockMax) throw new ZstdFailure('corrupt')
    this.literalCount = count
  }

  /** Four streams, the first three of equal output; a jump table gives the sizes of the first three. */
  private huffmanStreams(table: HuffmanTable, start: number, end: number, count: number): void {
    const part = (count + 3) >>> 2
    let from = start + 6
    let to = 0
    for (let i = 0; i < 3; i++) {
      const next = from + le(this.data, start + 2 * i, 2, end)
      if (next > end || to + part > count) throw new ZstdFailure('corrupt')
      this.huffmanStream(table, from, next, to, to + part)
      from = next
      to += part
    }
    this.huffmanStream(table, from, end, to, count)
  }

  /** Decodes one stream, which is read from its end, into `literals` from `to` up to `toEnd`. */
  private huffmanStream(
    table: HuffmanTable,
    start: number,
    end: number,
    to: number,
    toEnd: number,
  ): void {
    const { maxBits, symbols, bits } = table
    const reader = new BackwardBits(this.data, start, end)
    const literals = this.literals
    for (let i = to; i < toEnd; i++) {
      const code = reader.peek(maxBits)
      literals[i] = symbols[code] as number
      reader.left -= bits[code] as number
    }
    if (reader.left !== 0) throw new ZstdFailure('corrupt')
  }

  /** Reads a description of Huffman weights; returns where it ends. */
  private huffmanTable(start: number, end: number): number {
    const header = at(this.data, start, end)
    const weights = new Uint8Array(256)
    let count: number
    let next = start + 1
    if (header >= 128) {
      count = header - 127
      for (let i = 0; i < count; i += 2) {
        const byte = at(this.data, next++, end)
        weights[i] = byte >>> 4
        if (i + 1 < count) weights[i + 1] = byte & 15
      }
    } else {
      if (header > end - next) throw new ZstdFailure('corrupt')
      count = fseWeights(this.data, next, next + header, weights)
      next += header
    }
    this.huffman = buildHuffman(weights, count)
    return next
  }

  private sequencesSection(start: number, end: number, blockStart: number): void {
    const data = this.data
    let pos = start
    let count = at(data, pos++, end)
    if (count >= 128) {
      if (count < 255) count = ((count - 128) << 8) + at(data, pos++, end)
      else {
        count = le(data, pos, 2, end) + 0x7f00
        pos += 2
      }
    }
    if (count === 0) {
      if (pos !== end) throw new ZstdFailure('corrupt')
      this.copyLiterals(0, this.literalCount, blockStart)
      return
    }
    const modes = at(data, pos++, end)
    if ((modes & 3) !== 0) throw new ZstdFailure('corrupt')
    for (let i = 0; i < 3; i++) {
      const kind = KINDS[i] as SequenceKind
      switch ((modes >>> (6 - 2 * i)) & 3) {
        case 0:
          this.tables[i] = kind.predefined
          break
        case 1: {
          const symbol = at(data, pos++, end)
          if (symbol > kind.maxSymbol) throw new ZstdFailure('corrupt')
          this.tables[i] = singleSymbolTable(symbol)
          break
        }
        case 2: {
          const read = readFseTable(data, pos, end, kind.maxAccuracyLog, kind.maxSymbol)
          this.tables[i] = read.table
          pos = read.next
          break
        }
        default:
          if (this.tables[i] === undefined) throw new ZstdFailure('corrupt')
      }
    }
    this.runSequences(new BackwardBits(data, pos, end), count, blockStart)
  }

  private runSequences(reader: BackwardBits, count: number, blockStart: number): void {
    const [literalTable, offsetTable, matchTable] = this.tables as [FseTable, FseTable, FseTable]
    let literalState = reader.read(literalTable.accuracyLog)
    let offsetState = reader.read(offsetTable.accuracyLog)
    let matchState = reader.read(matchTable.accuracyLog)
    let literalPos = 0
    for (let i = 0; i < count; i++) {
      const offsetCode = offsetTable.symbols[offsetState] as number
      const matchCode = matchTable.symbols[matchState] as number
      const literalCode = literalTable.symbols[literalState] as number
      const offsetValue = 2 ** offsetCode + reader.readLong(offsetCode)
      const matchLength =
        (MATCH_BASES[matchCode] as number) + reader.read(MATCH_BITS[matchCode] as number)
      const literalLength =
        (LITERAL_BASES[literalCode] as number) + reader.read(LITERAL_BITS[literalCode] as number)
      if (i < count - 1) {
        literalState = nextState(literalTable, literalState, reader)
        matchState = nextState(matchTable, matchState, reader)
        offsetState = nextState(offsetTable, offsetState, reader)
      }
      if (reader.left < 0) throw new ZstdFailure('corrupt')
      this.copyLiterals(literalPos, literalPos + literalLength, blockStart)
      literalPos += literalLength
      this.copyMatch(this.offset(offsetValue, literalLength), matchLength, blockStart)
    }
    if (reader.left !== 0) throw new ZstdFailure('corrupt')
    this.copyLiterals(literalPos, this.literalCount, blockStart)
  }

  /** The distance that an offset value means, by the three last distances. RFC 8878 §3.1.1.5. */
  private offset(value: number, literalLength: number): number {
    const repeats = this.repeats
    if (value > 3) {
      this.repeats = [value - 3, repeats[0], repeats[1]]
      return value - 3
    }
    const index = value - 1 + (literalLength === 0 ? 1 : 0)
    if (index === 0) return repeats[0]
    const offset = index === 3 ? repeats[0] - 1 : (repeats[index] as number)
    this.repeats = [offset, repeats[0], index === 1 ? repeats[2] : repeats[1]]
    return offset
  }

  private copyLiterals(from: number, to: number, blockStart: number): void {
    const count = to - from
    if (to > this.literalCount || count < 0) throw new ZstdFailure('corrupt')
    this.checkRoom(count, blockStart)
    const { out, literals } = this
    let length = this.length
    for (let i = from; i < to; i++) out[length++] = literals[i] as number
    this.length = length
  }

  private copyMatch(offset: number, count: number, blockStart: number): void {
    if (offset <= 0 || offset > this.length - this.frameStart) throw new ZstdFailure('corrupt')
    this.checkRoom(count, blockStart)
    const out = this.out
    let length = this.length
    // Byte by byte: a match may overlap what it makes.
    for (let i = 0; i < count; i++, length++) out[length] = out[length - offset] as number
    this.length = length
  }

  private checkRoom(count: number, blockStart: number): void {
    if (this.length + count - blockStart > this.blockMax) throw new ZstdFailure('corrupt')
    if (this.length + count > this.out.byteLength) throw new ZstdFailure('too-large')
  }

  private reserve(count: number): void {
    const needed = this.length + count
    if (needed > this.maxBytes) throw new ZstdFailure('too-large')
    if (needed <= this.out.byteLength) return
    const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, 2 * this.out.byteLength)))
    grown.set(this.out.subarray(0, this.length))
    this.out = grown
  }

  private byte(): number {
    return this.data[this.take(1)] as number
  }

  /** An unsigned little-endian number; exact up to 2^53, larger ones only ever exceed limits. */
  private littleEndian(bytes: number): number {
    const start = this.take(bytes)
    return le(this.data, start, bytes, this.data.byteLength)
  }

  private take(bytes: number): number {
    const start = this.pos
    if (bytes > this.data.byteLength - start) throw new ZstdFailure('corrupt')
    this.pos = start + bytes
    return start
  }
}

/** Reads bits from the end of a range to its start; the last byte's highest set bit marks the end. */
class BackwardBits {
  /** Bits that are left; negative = more were read than there are. */
  left: number
  private readonly data: Uint8Array
  private readonly start: number

  constructor(data: Uint8Array, start: number, end: number) {
    if (start >= end) throw new ZstdFailure('corrupt')
    const last = data[end - 1] as number
    if (last === 0) throw new ZstdFailure('corrupt')
    this.data = data
    this.start = start
    this.left = (end - start) * 8 - (Math.clz32(last) - 24) - 1
  }

  /** The next up to 24 bits without passing them; bits before the start read as zero. */
  peek(bits: number): number {
    const from = this.left - bits
    const data = this.data
    if (from >= 0) {
      const index = this.start + (from >>> 3)
      // Bytes behind the range may be read too: the mask drops them.
      const word =
        (data[index] as number) |
        ((data[index + 1] ?? 0) << 8) |
        ((data[index + 2] ?? 0) << 16) |
        ((data[index + 3] ?? 0) << 24)
      return (word >>> (from & 7)) & ((1 << bits) - 1)
    }
    if (this.left <= 0) return 0
    let value = 0
    for (let i = 0; i < bits; i++) {
      const bit = from + i
      if (bit >= 0) value |= (((data[this.start + (bit >>> 3)] as number) >>> (bit & 7)) & 1) << i
    }
    return value
  }

  /** Reads up to 24 bits. */
  read(bits: number): number {
    if (bits === 0) return 0
    const value = this.peek(bits)
    this.left -= bits
    return value
  }

  /** Reads up to 31 bits. */
  readLong(bits: number): number {
    if (bits <= 16) return this.read(bits)
    const high = this.read(bits - 16)
    return high * 0x1_0000 + this.read(16)
  }
}

function nextState(table: FseTable, state: number, reader: BackwardBits): number {
  return (table.bases[state] as number) + reader.read(table.bits[state] as number)
}

function at(data: Uint8Array, index: number, end: number): number {
  if (index >= end) throw new ZstdFailure('corrupt')
  return data[index] as number
}

function le(data: Uint8Array, start: number, bytes: number, end: number): number {
  if (bytes > end - start) throw new ZstdFailure('corrupt')
  let value = 0
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (data[start + i] as number)
  return value
}

/** Reads the description of an entropy table: the probability of each symbol. RFC 8878 §4.1.1. */
function readFseTable(
  data: Uint8Array,
  start: number,
  end: number,
  maxAccuracyLog: number,
  maxSymbol: number,
): { table: FseTable; next: number } {
  let bitPos = 0
  const available = (end - start) * 8
  const read = (bits: number): number => {
    let value = 0
    for (let i = 0; i < bits; i++, bitPos++) {
      if (bitPos >= available) throw new ZstdFailure('corrupt')
      value |= (((data[start + (bitPos >>> 3)] as number) >>> (bitPos & 7)) & 1) << i
    }
    return value
  }
  const accuracyLog = read(4) + 5
  if (accuracyLog > maxAccuracyLog) throw new ZstdFailure('corrupt')
  const counts = new Int16Array(maxSymbol + 1)
  let remaining = 1 << accuracyLog
  let symbol = 0
  while (remaining > 0) {
    if (symbol > maxSymbol) throw new ZstdFailure('corrupt')
    // Values below the threshold take one bit less.
    const bits = 32 - Math.clz32(remaining + 1)
    const threshold = (1 << bits) - 1 - (remaining + 1)
    let value = read(bits - 1)
    if (value >= threshold) {
      value |= read(1) << (bits - 1)
      if (value >= 1 << (bits - 1)) value -= threshold
    }
    const count = value - 1
    counts[symbol++] = count
    remaining -= Math.abs(count)
    if (count !== 0) continue
    for (;;) {
      const zeros = read(2)
      symbol += zeros
      if (zeros !== 3) break
    }
  }
  if (remaining < 0) throw new ZstdFailure('corrupt')
  return {
    table: buildFse(counts.subarray(0, Math.min(symbol, maxSymbol + 1)), accuracyLog),
    next: start + ((bitPos + 7) >>> 3),
  }
}

/** Spreads symbols over the states; a count of −1 is a probability below one state. RFC 8878 §4.1.1. */
function buildFse(counts: Int16Array, accuracyLog: number): FseTable {
  const size = 1 << accuracyLog
  const symbols = new Uint8Array(size)
  const nexts = new Uint16Array(counts.length)
  let high = size
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol] as number
    nexts[symbol] = count === -1 ? 1 : count
    if (count === -1) symbols[--high] = symbol
  }
  const step = (size >>> 1) + (size >>> 3) + 3
  let pos = 0
  for (let symbol = 0; symbol < counts.length; symbol++) {
    for (let i = counts[symbol] as number; i > 0; i--) {
      symbols[pos] = symbol
      do pos = (pos + step) & (size - 1)
      while (pos >= high)
    }
  }
  if (pos !== 0) throw new ZstdFailure('corrupt')
  const bits = new Uint8Array(size)
  const bases = new Uint16Array(size)
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number
    const next = nexts[symbol] as number
    nexts[symbol] = next + 1
    const width = accuracyLog - (31 - Math.clz32(next))
    bits[state] = width
    bases[state] = (next << width) - size
  }
  return { accuracyLog, symbols, bits, bases }
}

function singleSymbolTable(symbol: number): FseTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    bits: new Uint8Array(1),
    bases: new Uint16Array(1),
  }
}

/** Decodes Huffman weights that are themselves entropy coded, two states in turn. RFC 8878 §4.2.1.2. */
function fseWeights(data: Uint8Array, start: number, end: number, weights: Uint8Array): number {
  const { table, next } = readFseTable(data, start, end, 6, 12)
  const reader = new BackwardBits(data, next, end)
  let one = reader.read(table.accuracyLog)
  let two = reader.read(table.accuracyLog)
  if (reader.left < 0) throw new ZstdFailure('corrupt')
  let count = 0
  for (;;) {
    if (count > 253) throw new ZstdFailure('corrupt')
    weights[count++] = table.symbols[one] as number
    one = nextState(table, one, reader)
    if (reader.left < 0) {
      weights[count++] = table.symbols[two] as number
      return count
    }
    weights[count++] = table.symbols[two] as number
    two = nextState(table, two, reader)
    if (reader.left < 0) {
      weights[count++] = table.symbols[one] as number
      return count
    }
  }
}

/** Builds the table of `count` weights; that of the symbol behind them follows from theirs. RFC 8878 §4.2.1. */
function buildHuffman(weights: Uint8Array, count: number): HuffmanTable {
  let sum = 0
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number
    if (weight > MAX_HUFFMAN_BITS) throw new ZstdFailure('corrupt')
    if (weight > 0) sum += 1 << (weight - 1)
  }
  if (sum === 0 || count > 255) throw new ZstdFailure('corrupt')
  const maxBits = 32 - Math.clz32(sum)
  if (maxBits > MAX_HUFFMAN_BITS) throw new ZstdFailure('corrupt')
  const rest = (1 << maxBits) - sum
  if ((rest & (rest - 1)) !== 0) throw new ZstdFailure('corrupt')
  weights[count] = 32 - Math.clz32(rest)
  const symbols = new Uint8Array(1 << maxBits)
  const bits = new Uint8Array(1 << maxBits)
  let pos = 0
  for (let weight = 1; weight <= maxBits; weight++) {
    for (let symbol = 0; symbol <= count; symbol++) {
      if (weights[symbol] !== weight) continue
      const end = pos + (1 << (weight - 1))
      symbols.fill(symbol, pos, end)
      bits.fill(maxBits + 1 - weight, pos, end)
      pos = end
    }
  }
  return { maxBits, symbols, bits }
}

/** Bases of the length codes, from the bits that each code reads. RFC 8878 §3.1.1.3.2.1.1. */
function basesOf(bits: readonly number[], first: number): readonly number[] {
  const bases: number[] = []
  let base = first
  for (const width of bits) {
    bases.push(base)
    base += 1 << width
  }
  return bases
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0)
const LITERAL_BITS: readonly number[] = [
  ...zeros(16),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]
const MATCH_BITS: readonly number[] = [
  ...zeros(32),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]
const LITERAL_BASES = basesOf(LITERAL_BITS, 0)
const MATCH_BASES = basesOf(MATCH_BITS, 3)

/** Literal lengths, offsets, match lengths, with their predefined tables. RFC 8878 §3.1.1.3.2.2. */
const KINDS: readonly SequenceKind[] = [
  {
    maxAccuracyLog: 9,
    maxSymbol: 35,
    predefined: buildFse(
      Int16Array.of(
        ...[4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1],
        ...[1, 1, 1, 1, -1, -1, -1, -1],
      ),
      6,
    ),
  },
  {
    maxAccuracyLog: 8,
    maxSymbol: 31,
    predefined: buildFse(
      Int16Array.of(
        ...[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        ...[-1, -1, -1, -1, -1],
      ),
      5,
    ),
  },
  {
    maxAccuracyLog: 9,
    maxSymbol: 52,
    predefined: buildFse(
      Int16Array.of(
        ...[1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        ...[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1],
        ...[-1, -1, -1],
      ),
      6,
    ),
  },
]
