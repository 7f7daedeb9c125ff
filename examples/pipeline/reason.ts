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
  /** When the message was made is no time that can be: some producers count seconds or nanoseconds. */
  SOURCE_TIME: 0x4000,
  /** When the event was is too far from when the message was made, or cannot be compared with it. */
  FAR: 0x8000,
} as const
const ALL_FAULTS = 0x10000

/** Bits that say so for one field. */
export function faultOf(field: number, fault: number): number {
  return fault << (2 * field)
}

/** The text, as bytes. @param verdict -1 for a message without a value. */
export function reasonText(verdict: number, faults: number): Uint8Array {
  const key = (verdict + 1) * ALL_FAULTS + faults
  let text = known.get(key)
  if (text === undefined) known.set(key, (text = Buffer.from(describe(verdict, faults))))
  return text
}

/** Bounded: by the number of combinations of faults. */
const known = new Map<number, Uint8Array>()

const VERDICT_TEXTS: Readonly<Record<number, string>> = {
  [-1]: 'the message has no value',
  [Verdict.NOT_JSON]: 'the value is not JSON',
  [Verdict.NOT_UTF8]: 'the value is not UTF-8',
  [Verdict.TOO_DEEP]: 'the value is nested too deep',
  [Verdict.NOT_AN_OBJECT]: 'the value is JSON, but not an object',
}

function describe(verdict: number, faults: number): string {
  const ofValue = VERDICT_TEXTS[verdict]
  const texts = ofValue === undefined ? [] : [ofValue]
  for (const [field, name] of FIELD_NAMES.entries()) {
    const fault = (faults >> (2 * field)) & 3
    if (fault !== 0) texts.push(`${name} ${FIELD_TEXTS[fault]?.[field]}`)
  }
  if ((faults & Fault.NO_KEY) !== 0) texts.push('the message has no key')
  if ((faults & Fault.OTHER_KEY) !== 0) texts.push('the key of the message is not video_id')
  if ((faults & Fault.SOURCE_TIME) !== 0) {
    texts.push('the time of the message is not from 1970 to 2199')
  }
  if ((faults & Fault.FAR) !== 0) {
    texts.push(
      (faults & Fault.SOURCE_TIME) === 0
        ? 'event_time is more than 366 days before the time of the message, or more than a day after it'
        : 'event_time cannot be compared with it',
    )
  }
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
