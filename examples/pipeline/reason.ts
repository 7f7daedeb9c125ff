/** What is wrong with a record, first as bits, then as the text of the column `reason`. */
import { FIELD_NAMES, Field, Verdict } from './header-scanner.ts'

/** What is wrong with one field. */
export const Fault = {
  MISSING: 1,
  /** Not of the type that it has to have. */
  TYPE: 2,
  /** Of that type, but no time, or no whole number. */
  VALUE: 3,
  /** The message has no key. */
  NO_KEY: 0x1000,
  /** The message has another key than the video: its partition is another one's. */
  OTHER_KEY: 0x2000,
} as const

/** Bits that say so for one field. */
export function faultOf(field: number, fault: number): number {
  return fault << (2 * field)
}

/** The text, as bytes. @param verdict -1 for a message without a value. */
export function reasonText(verdict: number, faults: number): Uint8Array {
  const key = verdict === Verdict.OBJECT ? faults : -2 - verdict
  let text = known.get(key)
  if (text === undefined) known.set(key, (text = Buffer.from(describe(verdict, faults))))
  return text
}

/** Bounded: by the number of combinations of faults. */
const known = new Map<number, Uint8Array>()

function describe(verdict: number, faults: number): string {
  switch (verdict) {
    case -1:
      return 'the message has no value'
    case Verdict.NOT_JSON:
      return 'the value is not JSON'
    case Verdict.NOT_UTF8:
      return 'the value is not UTF-8'
    case Verdict.TOO_DEEP:
      return 'the value is nested too deep'
    case Verdict.NOT_AN_OBJECT:
      return 'the value is JSON, but not an object'
  }
  const texts = FIELD_NAMES.flatMap((name, field) => {
    const fault = (faults >> (2 * field)) & 3
    return fault === 0 ? [] : [`${name} ${FIELD_TEXTS[fault]?.[field]}`]
  })
  if ((faults & Fault.NO_KEY) !== 0) texts.push('the message has no key')
  if ((faults & Fault.OTHER_KEY) !== 0) texts.push('the key of the message is not video_id')
  return texts.join('; ')
}

const perField = (others: string, time: string, version: string): readonly string[] =>
  FIELD_NAMES.map((_, field) =>
    field === Field.EVENT_TIME ? time : field === Field.SCHEMA_VERSION ? version : others,
  )

const FIELD_TEXTS: Readonly<Record<number, readonly string[]>> = {
  [Fault.MISSING]: perField('is missing', 'is missing', 'is missing'),
  [Fault.TYPE]: perField('is not a string', 'is not a string or number', 'is not a number'),
  [Fault.VALUE]: perField(
    'is not usable',
    'is no ISO-8601 time with a zone or milliseconds from 1970 to 2199',
    'is not a 32-bit whole number',
  ),
}
