/** The fields of one struct, or of whole rows: takes objects apart into their columns and knows every name. */
import type { Data } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { nearestName } from '../../core/nearest-name.ts'
import type { ColumnBuilder } from './column-builder.ts'
import { describeValue, quote } from './describe-value.ts'
import { isPlainObject } from './plain-object.ts'
import { cannotAppend } from './refuse-value.ts'

/** A field with its builder. Fields of type unknown are checked but not stored. */
export interface FieldColumn {
  readonly name: string
  readonly builder: ColumnBuilder
  readonly stored: boolean
}

const NAMES_SHOWN = 20

export class FieldSet {
  /** Bytes that one row of these fields takes for certain. */
  readonly slotBytes: number
  readonly #columns: readonly FieldColumn[]
  readonly #table: string | undefined
  /** Full name of the struct; undefined for rows. */
  readonly #path: string | undefined
  /** Names that every object seems to have, such as "constructor": only own properties count for these. */
  readonly #inherited: ReadonlySet<string>
  readonly #names: ReadonlySet<string>

  constructor(
    columns: readonly FieldColumn[],
    place: { table: string | undefined; path: string | undefined },
  ) {
    this.#columns = columns
    this.#table = place.table
    this.#path = place.path
    this.#names = new Set(columns.map((c) => c.name))
    this.#inherited = new Set(columns.map((c) => c.name).filter((n) => n in Object.prototype))
    this.slotBytes = columns.reduce((sum, c) => sum + c.builder.slotBytes, 0)
  }

  /**
   * Appends one object: each column gets its property, or undefined.
   * @throws TYPE_MISMATCH if the object cannot be a row; UNKNOWN_COLUMN for a property without a column; what the
   *   builders throw.
   */
  append(object: object, row: number): void {
    const names = this.#names
    // Names first: a mistyped one explains a missing column better than "no value" does.
    for (const key in object) {
      if (!names.has(key) && Object.hasOwn(object, key)) throw this.unknownColumn(key, row)
    }
    const columns = this.#columns
    const inherited = this.#inherited
    const properties = object as Record<string, unknown>
    for (let i = 0; i < columns.length; i++) {
      const { name, builder } = columns[i] as FieldColumn
      const value =
        inherited.size > 0 && inherited.has(name) && !Object.hasOwn(object, name)
          ? undefined
          : properties[name]
      // Whatever lacks its first column may be no row at all.
      if (i === 0 && value === undefined) this.checkObject(object, row)
      builder.append(value, row)
    }
  }

  /** An empty slot in every column: the struct itself is null. */
  appendHole(): void {
    for (const { builder } of this.#columns) builder.appendHole()
  }

  /** The stored columns, in field order. */
  finish(): Data[] {
    return this.#columns.filter((c) => c.stored).map((c) => c.builder.finish())
  }

  /** Refuses what has no properties and would become a row of nulls: an array, a Map, a Promise. */
  private checkObject(object: object, row: number): void {
    if (!Array.isArray(object)) {
      if (isPlainObject(object)) return
      // A class instance may keep its values behind accessors.
      if (this.#columns.some((c) => c.name in object && !this.#inherited.has(c.name))) return
    }
    const where = this.#path === undefined ? '' : ` in column "${this.#path}"`
    throw new FloeError(
      'TYPE_MISMATCH',
      `${cannotAppend(this.#table)}: row ${row} has ${describeValue(object)}${where} where an object ` +
        'is expected. Give objects with a property for each column',
      { context: { row, ...(this.#path === undefined ? {} : { column: this.#path }) } },
    )
  }

  private unknownColumn(key: string, row: number): FloeError {
    const names = [...this.#names]
    const nearest = nearestName(key, names)
    const shown = names.slice(0, NAMES_SHOWN).map(quote).join(', ')
    const of = this.#path === undefined ? '' : ` of column "${this.#path}"`
    const rest = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
    return new FloeError(
      'UNKNOWN_COLUMN',
      `${cannotAppend(this.#table)}: row ${row} has ${quote(key)}, which is no ` +
        `${this.#path === undefined ? 'column' : 'field'}${of}. ` +
        (nearest === undefined ? '' : `Did you mean ${quote(nearest)}? `) +
        `There are ${shown}${rest}. Drop it or add it with addColumn`,
      {
        context: {
          row,
          column: (this.#path === undefined ? key : `${this.#path}.${key}`).slice(0, 200),
          ...(this.#table === undefined ? {} : { table: this.#table }),
        },
      },
    )
  }
}
