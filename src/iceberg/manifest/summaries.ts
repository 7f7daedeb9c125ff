/** Summaries of partition fields over the files of a manifest. Iceberg spec §Manifest Lists (items 32, 98). */

import { normalizeFloatBound } from '../spec/bounds.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { PrimitiveValue, Value } from '../spec/value.ts'
import { valueToBytes } from '../spec/value-binary.ts'
import { type Comparator, comparatorOf } from '../spec/value-compare.ts'
import type { FieldSummary } from './entry.ts'
import type { PartitionTupleField } from './partition-fields.ts'

/** Collects what the partition tuples of a manifest have in common. */
export class PartitionSummaries {
  readonly #fields: readonly FieldCollector[]

  constructor(fields: readonly PartitionTupleField[]) {
    this.#fields = fields.map((field) => new FieldCollector(field.type))
  }

  /** Adds a tuple, one value for each field. */
  add(partition: readonly Value[]): void {
    for (let i = 0; i < this.#fields.length; i++) {
      ;(this.#fields[i] as FieldCollector).add(partition[i] as PrimitiveValue | null)
    }
  }

  /**
   * One summary for each field. Undefined if some field has values but no bounds that all readers agree on: a
   * summary without bounds makes readers prune everything (known-bugs.md 16), no summaries prune nothing.
   */
  build(): FieldSummary[] | undefined {
    const summaries: FieldSummary[] = []
    for (const field of this.#fields) {
      const summary = field.build()
      if (summary === undefined) return undefined
      summaries.push(summary)
    }
    return summaries
  }
}

class FieldCollector {
  private readonly type: PrimitiveType
  private readonly compare: Comparator
  private readonly isFloat: boolean
  private containsNull = false
  private containsNan = false
  private lower: PrimitiveValue | undefined
  private upper: PrimitiveValue | undefined
  // The extremes by signed comparison, for uuids only.
  private signedLower: string | undefined
  private signedUpper: string | undefined

  constructor(type: PrimitiveType) {
    this.type = type
    this.compare = comparatorOf(type)
    this.isFloat = type.kind === 'float' || type.kind === 'double'
  }

  add(value: PrimitiveValue | null): void {
    if (value === null) {
      this.containsNull = true
      return
    }
    if (this.isFloat && Number.isNaN(value)) {
      this.containsNan = true
      return
    }
    if (this.type.kind === 'uuid') this.addSigned(value as string)
    if (this.lower === undefined || this.compare(value, this.lower) < 0) this.lower = value
    if (this.upper === undefined || this.compare(value, this.upper) > 0) this.upper = value
  }

  build(): FieldSummary | undefined {
    const flags = { containsNull: this.containsNull, containsNan: this.containsNan }
    const { type, lower, upper } = this
    if (lower === undefined || upper === undefined) return flags
    // Readers compare uuids as unsigned bytes or, as Java does, as two signed halves: bounds must be both.
    if (type.kind === 'uuid' && (lower !== this.signedLower || upper !== this.signedUpper)) {
      return undefined
    }
    return {
      ...flags,
      lowerBound: this.bound(lower, false),
      upperBound: this.bound(upper, true),
    }
  }

  private bound(value: PrimitiveValue, isUpper: boolean): Uint8Array {
    return valueToBytes(
      this.type,
      this.isFloat ? normalizeFloatBound(value as number, isUpper) : value,
    )
  }

  private addSigned(value: string): void {
    const key = signedOrder(value)
    if (this.signedLower === undefined || key < signedOrder(this.signedLower)) {
      this.signedLower = value
    }
    if (this.signedUpper === undefined || key > signedOrder(this.signedUpper)) {
      this.signedUpper = value
    }
  }
}

/** A text that orders as the two halves of the uuid do as signed numbers: their sign bits are flipped. */
function signedOrder(uuid: string): string {
  return flipSign(uuid.slice(0, 18)) + flipSign(uuid.slice(19))
}

function flipSign(hex: string): string {
  return (Number.parseInt(hex[0] as string, 16) ^ 8).toString(16) + hex.slice(1)
}
