/**
 * Builders of dates, times and timestamps. Nothing goes through floating milliseconds or the zone of the process
 * (items 70, 106): a `Date` gives its exact milliseconds since 1970 UTC, text is read digit by digit.
 */
import { types } from 'node:util'
import type { DataType } from 'apache-arrow'
import { parseDate, parseTime, parseTimestamp } from '../spec/temporal.ts'
import { type ScannedTimestamp, scanIsoTimestamp } from './iso-scan.ts'
import { Int32Builder, Int64Builder } from './number-builders.ts'
import { type ColumnPlace, refuseValue } from './refuse-value.ts'

const MS_PER_DAY = 86_400_000
const MICROS_PER_DAY = 86_400_000_000n
/** Longest text that any of the parsers is given. */
const MAX_TEXT = 64

/** date: a number of days since 1970-01-01, 'YYYY-MM-DD', or a Date at midnight UTC. */
export class DateBuilder extends Int32Builder {
  protected override convert(value: unknown, row: number): number {
    if (typeof value === 'string') {
      const days = value.length <= MAX_TEXT ? parseDate(value) : undefined
      if (days !== undefined) return days
    } else if (types.isDate(value)) {
      const days = value.getTime() / MS_PER_DAY
      if (Number.isInteger(days)) return days
      // Dropping the time of day would store another day than the caller's zone shows.
      throw refuseValue(this.place, row, value, {
        ...(Number.isNaN(days) ? {} : { detail: 'not at midnight UTC' }),
        advice: DATE_ADVICE,
      })
    } else if (Number.isInteger(value)) {
      throw refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'days since 1970-01-01 are 32 bits',
        advice: DATE_ADVICE,
      })
    }
    throw refuseValue(this.place, row, value, { advice: DATE_ADVICE })
  }
}

/** time: a bigint of µs since midnight, or 'HH:MM[:SS[.ffffff]]'. */
export class TimeBuilder extends Int64Builder {
  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) {
      this.appendNothing(value, row)
      return
    }
    const micros = typeof value === 'string' && value.length <= MAX_TEXT ? parseTime(value) : value
    if (typeof micros !== 'bigint') {
      throw refuseValue(this.place, row, value, {
        advice: "Give a bigint of microseconds since midnight or 'HH:MM:SS.ffffff'",
      })
    }
    if (micros < 0n || micros >= MICROS_PER_DAY) {
      throw refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'a day has 86400000000 microseconds',
        advice: 'Give microseconds since midnight',
      })
    }
    this.storeBigint(micros)
  }
}

/**
 * timestamp, timestamptz and their _ns forms: a bigint of ticks (µs or ns) since 1970-01-01T00:00, a Date, or ISO
 * text, which must name its zone for the tz types and none for the others. A Date in a column without zone stands
 * for what its UTC clock shows.
 */
export class TimestampBuilder extends Int64Builder {
  readonly #zoned: boolean
  readonly #ticksPerSecond: number
  readonly #scanned: ScannedTimestamp = { seconds: 0, nanos: 0, zoned: false }

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, type, absent)
    const { kind } = place.type
    this.#zoned = kind === 'timestamptz' || kind === 'timestamptz_ns'
    this.#ticksPerSecond =
      kind === 'timestamp' || kind === 'timestamptz' ? 1_000_000 : 1_000_000_000
  }

  override append(value: unknown, row: number): void {
    if (typeof value === 'bigint') {
      if (BigInt.asIntN(64, value) !== value) throw this.outOfRange(value, row)
      this.storeBigint(value)
    } else if (typeof value === 'string') this.appendText(value, row)
    else if (value === null || value === undefined) this.appendNothing(value, row)
    else if (types.isDate(value)) {
      const ms = value.getTime()
      if (Number.isNaN(ms)) throw this.mismatch(value, row)
      if (!this.storeScaled(ms, this.#ticksPerSecond / 1000, 0)) throw this.outOfRange(value, row)
    } else throw this.mismatch(value, row)
  }

  private appendText(text: string, row: number): void {
    const scanned = this.#scanned
    if (scanIsoTimestamp(text, scanned)) {
      const ticks = scanned.nanos / (1_000_000_000 / this.#ticksPerSecond)
      if (scanned.zoned !== this.#zoned || !Number.isInteger(ticks)) {
        throw this.mismatchText(text, row, scanned.zoned)
      }
      if (this.storeScaled(scanned.seconds, this.#ticksPerSecond, ticks)) return
      throw this.outOfRange(text, row)
    }
    const ticks =
      text.length <= MAX_TEXT
        ? parseTimestamp(text, this.#zoned, BigInt(this.#ticksPerSecond))
        : undefined
    if (ticks === undefined) throw this.mismatch(text, row)
    if (BigInt.asIntN(64, ticks) !== ticks) throw this.outOfRange(text, row)
    this.storeBigint(ticks)
  }

  private mismatchText(text: string, row: number, zoned: boolean): Error {
    if (zoned === this.#zoned) {
      return refuseValue(this.place, row, text, {
        detail: 'finer than the column',
        advice: 'Cut the text to microseconds, or use a timestamp_ns or timestamptz_ns column',
      })
    }
    return refuseValue(this.place, row, text, {
      detail: zoned ? 'with a zone' : 'without a zone',
      advice: zoned
        ? 'Leave the zone out, or use a timestamptz column'
        : 'Add the zone, such as Z or +02:00, or use a timestamp column',
    })
  }

  private mismatch(value: unknown, row: number): Error {
    const unit = this.#ticksPerSecond === 1_000_000 ? 'microseconds' : 'nanoseconds'
    const zone = this.#zoned ? 'with a zone such as Z' : 'without a zone'
    return refuseValue(this.place, row, value, {
      advice: `Give a bigint of ${unit} since 1970, a Date, or ISO text ${zone}`,
    })
  }

  private outOfRange(value: unknown, row: number): Error {
    return refuseValue(this.place, row, value, {
      code: 'VALUE_OUT_OF_RANGE',
      detail: 'beyond 64 bits',
      advice: 'Give a moment within the range of the type, or use a type of microseconds',
    })
  }
}

const DATE_ADVICE = "Give days since 1970-01-01, 'YYYY-MM-DD' or a Date at midnight UTC"
