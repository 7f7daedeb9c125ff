/** Dates, times and timestamps of a caller, in any unit that loses nothing. */
import { ARROW_TYPE } from './arrow-type-id.ts'
import type { LeafSource } from './leaf-source.ts'

/** Arrow's numbers: 0 s, 1 ms, 2 µs, 3 ns. */
const TICKS_PER_SECOND = [1, 1000, 1_000_000, 1_000_000_000] as const
const MS_PER_DAY = 86_400_000
const MICROS_PER_DAY = 86_400_000_000
const TWO_32 = 4_294_967_296
/** Below this, a high word and its low word make an exact double. */
const EXACT_HIGH = 0x100000

/** date, from days, or from milliseconds that are whole days. */
export function dateValues(leaf: LeafSource): Int32Array {
  const { type } = leaf.data
  if ((type.typeId as number) !== ARROW_TYPE.Date) throw leaf.mismatch('a Date32 column')
  if ((type as unknown as { unit: number }).unit === 0) return leaf.values<Int32Array>()
  const ms = leaf.values64()
  const out = new Int32Array(leaf.length)
  for (let i = 0; i < leaf.length; i++) {
    const days = Number(ms[i]) / MS_PER_DAY
    if ((days | 0) !== days && leaf.has(i)) {
      const detail = Number.isInteger(days) ? 'days are 32 bits' : 'not a whole day'
      throw leaf.refuse(i, ms[i], detail, 'Give milliseconds of midnight UTC, or a Date32 column')
    }
    out[i] = days
  }
  return out
}

/** time in µs, from any unit. */
export function timeValues(leaf: LeafSource): BigInt64Array {
  const { type } = leaf.data
  if ((type.typeId as number) !== ARROW_TYPE.Time) throw leaf.mismatch('a Time64 column of µs')
  const { unit, bitWidth } = type as unknown as { unit: number; bitWidth: number }
  const ticks =
    bitWidth === 32 ? BigInt64Array.from(leaf.values<Int32Array>(), BigInt) : leaf.values64()
  const micros = rescale(leaf, ticks, unit, 2)
  const words = wordsOf(micros)
  for (let i = 0; i < leaf.length; i++) {
    const value = (words[i * 2 + 1] as number) * TWO_32 + ((words[i * 2] as number) >>> 0)
    if ((value < 0 || value >= MICROS_PER_DAY) && leaf.has(i)) {
      const detail = 'a day has 86400000000 microseconds'
      throw leaf.refuse(i, micros[i], detail, 'Give the time since midnight')
    }
  }
  return micros
}

/**
 * Timestamps, from any unit. In Arrow, values with a zone are moments in UTC whatever the zone's name, so every zone
 * is good for the tz types; the others take only columns without.
 */
export function timestampValues(
  leaf: LeafSource,
  kind: 'timestamp' | 'timestamptz' | 'timestamp_ns' | 'timestamptz_ns',
): BigInt64Array {
  const zoned = kind === 'timestamptz' || kind === 'timestamptz_ns'
  const unit = kind === 'timestamp' || kind === 'timestamptz' ? 2 : 3
  const { type } = leaf.data
  const isZoned = Boolean((type as unknown as { timezone?: string | null }).timezone)
  if ((type.typeId as number) !== ARROW_TYPE.Timestamp || isZoned !== zoned) {
    throw leaf.mismatch(`a Timestamp column ${zoned ? 'with a time zone' : 'without time zone'}`)
  }
  return rescale(leaf, leaf.values64(), (type as unknown as { unit: number }).unit, unit)
}

/** Ticks of one unit as ticks of another. */
function rescale(leaf: LeafSource, ticks: BigInt64Array, from: number, to: number): BigInt64Array {
  if (from === to) return ticks
  const multiply = Math.max(1, tickRatio(to, from))
  const divide = Math.max(1, tickRatio(from, to))
  const words = wordsOf(ticks)
  const out = new BigInt64Array(leaf.length)
  const outWords = new Int32Array(out.buffer)
  for (let i = 0; i < leaf.length; i++) {
    const high = words[i * 2 + 1] as number
    if (high < EXACT_HIGH && high >= -EXACT_HIGH) {
      const value = high * TWO_32 + ((words[i * 2] as number) >>> 0)
      const scaled = (value * multiply) / divide
      if (Math.abs(value * multiply) < 9e15 && Number.isInteger(scaled)) {
        outWords[i * 2] = scaled
        outWords[i * 2 + 1] = Math.floor(scaled / TWO_32)
        continue
      }
    }
    if (!leaf.has(i)) continue
    const value = (ticks[i] as bigint) * BigInt(multiply)
    if (value % BigInt(divide) !== 0n) {
      throw leaf.refuse(
        i,
        ticks[i],
        'finer than the column',
        'Round it, or use a type of nanoseconds',
      )
    }
    const scaled = value / BigInt(divide)
    if (BigInt.asIntN(64, scaled) !== scaled) {
      throw leaf.refuse(i, ticks[i], 'beyond 64 bits', 'Use a type of microseconds')
    }
    out[i] = scaled
  }
  return out
}

function tickRatio(fine: number, coarse: number): number {
  return (TICKS_PER_SECOND[fine] as number) / (TICKS_PER_SECOND[coarse] as number)
}

function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2)
}
