/** Builders of lists, maps and structs, over the builders of what they hold. */
import { types } from 'node:util'
import type { Data, DataType } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { type BuilderContext, ColumnBuilder, usedPart } from './column-builder.ts'
import { columnData } from './column-data.ts'
import type { FieldSet } from './field-set.ts'
import { isPlainObject } from './plain-object.ts'
import { type ColumnPlace, cannotAppend, refuseValue } from './refuse-value.ts'

const MAX_OFFSET = 2 ** 31 - 1

/** What lists and maps have in common: offsets into child columns. */
abstract class RepeatedBuilder extends ColumnBuilder {
  readonly slotBytes = 4
  protected readonly type: DataType
  #context: BuilderContext
  #offsets: Int32Array = new Int32Array(1)
  #end = 0

  constructor(place: ColumnPlace, type: DataType, absent: unknown, context: BuilderContext) {
    super(place, absent)
    this.type = type
    this.#context = context
  }

  /** Adds a slot of so many elements, which have been appended to the children. */
  protected closeSlot(elements: number, elementBytes: number): void {
    if (this.length === this.capacity) this.grow()
    this.#end += elements
    if (this.#end > MAX_OFFSET) {
      throw new FloeError(
        'LIMIT_EXCEEDED',
        `${cannotAppend(this.place.table)}: column "${this.place.path}" (field ${this.place.fieldId}) ` +
          'would need more than 2^31 elements in one batch of rows. Append shorter lists',
        { context: { column: this.place.path, value: this.#end, max: MAX_OFFSET } },
      )
    }
    this.#context.size.bytes += elements * elementBytes
    this.#offsets[++this.length] = this.#end
  }

  protected override skipSlot(): void {
    this.#offsets[this.length + 1] = this.#end
  }

  protected override resize(capacity: number): void {
    const offsets = new Int32Array(capacity + 1)
    offsets.set(this.#offsets)
    this.#offsets = offsets
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const offsets = usedPart(this.#offsets, length + 1)
    const elements = this.#end
    this.#offsets = new Int32Array(1)
    this.#end = 0
    const children = [this.buildElements(elements)]
    return columnData(this.type, { length, nullCount, validity, offsets, children })
  }

  protected abstract buildElements(elements: number): Data
}

/** list: an array, or a typed array of numbers. */
export class ListBuilder extends RepeatedBuilder {
  readonly #element: ColumnBuilder

  constructor(
    place: ColumnPlace,
    type: DataType,
    element: ColumnBuilder,
    absent: unknown,
    context: BuilderContext,
  ) {
    super(place, type, absent, context)
    this.#element = element
  }

  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) {
      this.appendNothing(value, row)
      return
    }
    if (!Array.isArray(value) && !types.isTypedArray(value)) {
      throw refuseValue(this.place, row, value, { advice: 'Give an array' })
    }
    const element = this.#element
    for (let i = 0; i < value.length; i++) element.append(value[i], row)
    this.closeSlot(value.length, element.slotBytes)
  }

  protected override buildElements(): Data {
    return this.#element.finish()
  }
}

/** map: a Map, or a plain object where keys are strings. */
export class MapBuilder extends RepeatedBuilder {
  readonly #key: ColumnBuilder
  readonly #value: ColumnBuilder
  readonly #stringKeys: boolean

  constructor(
    place: ColumnPlace,
    type: DataType,
    entry: { key: ColumnBuilder; value: ColumnBuilder },
    absent: unknown,
    context: BuilderContext,
  ) {
    super(place, type, absent, context)
    this.#key = entry.key
    this.#value = entry.value
    this.#stringKeys = entry.key.place.type.kind === 'string'
  }

  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) {
      this.appendNothing(value, row)
      return
    }
    let count = 0
    if (types.isMap(value)) {
      for (const [key, item] of value) {
        this.#key.append(key, row)
        this.#value.append(item, row)
        count++
      }
    } else if (this.#stringKeys && isPlainObject(value)) {
      for (const key of Object.keys(value)) {
        this.#key.append(key, row)
        this.#value.append((value as Record<string, unknown>)[key], row)
        count++
      }
    } else {
      throw refuseValue(this.place, row, value, {
        advice: this.#stringKeys ? 'Give a Map or a plain object' : 'Give a Map',
      })
    }
    this.closeSlot(count, this.#key.slotBytes + this.#value.slotBytes)
  }

  protected override buildElements(elements: number): Data {
    const entries = this.type.children[0]?.type as DataType
    const children = [this.#key.finish(), this.#value.finish()]
    return columnData(entries, { length: elements, nullCount: 0, children })
  }
}

/** struct: an object with a property for each field. */
export class StructBuilder extends ColumnBuilder {
  readonly slotBytes: number
  readonly #type: DataType
  readonly #fields: FieldSet

  constructor(place: ColumnPlace, type: DataType, fields: FieldSet, absent: unknown) {
    super(place, absent)
    this.#type = type
    this.#fields = fields
    this.slotBytes = 1 + fields.slotBytes
  }

  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) {
      this.appendNothing(value, row)
      return
    }
    if (typeof value !== 'object') {
      throw refuseValue(this.place, row, value, { advice: 'Give an object with its fields' })
    }
    if (this.length === this.capacity) this.grow()
    this.#fields.append(value, row)
    this.length++
  }

  protected override skipSlot(): void {
    this.#fields.appendHole()
  }

  protected override resize(): void {}

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    return columnData(this.#type, {
      length,
      nullCount,
      validity,
      children: this.#fields.finish(),
    })
  }
}

/** unknown: takes nothing but null and stores nothing (item 65). */
export class UnknownBuilder extends ColumnBuilder {
  readonly slotBytes = 0

  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) return
    throw refuseValue(this.place, row, value, {
      advice: 'A column of type unknown holds null only: give it a type with updateColumn',
    })
  }

  override appendHole(): void {}

  protected override skipSlot(): void {}
  protected override resize(): void {}
  protected override build(): Data {
    throw new FloeError('ASSERTION_FAILED', 'A column of type unknown is not stored')
  }
}
