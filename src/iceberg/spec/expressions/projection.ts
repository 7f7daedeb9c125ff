/**
 * Partition projection: what a predicate on columns says about partition tuples. Iceberg spec §Scan Planning.
 *
 * Inclusive: true for every tuple whose rows might match, so a partition that it rejects holds no matching row.
 * Strict: true only for tuples all of whose rows match.
 */
import type { PartitionField, PartitionSpec } from '../partition-spec.ts'
import type { Schema } from '../schema.ts'
import type { Transform } from '../transform.ts'
import { applyTransform, canTransform, transformResultType } from '../transforms.ts'
import { isPrimitive, type PrimitiveType } from '../types.ts'
import type { PrimitiveValue } from '../value.ts'
import { comparatorOf, partitionKey } from '../value-compare.ts'
import { boundAnd, boundOr } from './bind.ts'
import { ALWAYS_FALSE, ALWAYS_TRUE, type BoundExpression, type BoundRef } from './expression.ts'

/** The inclusive projection onto a spec's tuples; refs carry partition field ids. */
export function projectInclusive(
  expression: BoundExpression,
  spec: PartitionSpec,
  schema: Schema,
): BoundExpression {
  return project(expression, partitionRefs(spec, schema), true)
}

/** The strict projection onto a spec's tuples. */
export function projectStrict(
  expression: BoundExpression,
  spec: PartitionSpec,
  schema: Schema,
): BoundExpression {
  return project(expression, partitionRefs(spec, schema), false)
}

interface PartitionRef {
  readonly transform: Transform
  readonly sourceType: PrimitiveType
  readonly ref: BoundRef
}

/** By source field id: the partition fields that say something about it. Unknown transforms say nothing. */
function partitionRefs(spec: PartitionSpec, schema: Schema): ReadonlyMap<number, PartitionRef[]> {
  const refs = new Map<number, PartitionRef[]>()
  for (const field of spec.fields) {
    const sourceType = sourceTypeOf(field, schema)
    if (sourceType === undefined) continue
    const { transform } = field
    if (transform.kind === 'void' || transform.kind === 'unknown') continue
    if (!canTransform(transform, sourceType)) continue
    const ref: BoundRef = {
      fieldId: field.fieldId,
      name: field.name,
      type: transformResultType(transform, sourceType),
      required: false,
    }
    const sourceId = field.sourceIds[0] as number
    const known = refs.get(sourceId)
    if (known === undefined) refs.set(sourceId, [{ transform, sourceType, ref }])
    else known.push({ transform, sourceType, ref })
  }
  return refs
}

function sourceTypeOf(field: PartitionField, schema: Schema): PrimitiveType | undefined {
  if (field.sourceIds.length !== 1) return undefined
  const type = schema.findById(field.sourceIds[0] as number)?.field.type
  return type !== undefined && isPrimitive(type) ? type : undefined
}

function project(
  e: BoundExpression,
  refs: ReadonlyMap<number, PartitionRef[]>,
  inclusive: boolean,
): BoundExpression {
  switch (e.kind) {
    case 'true':
    case 'false':
      return e
    case 'and':
      return boundAnd(project(e.left, refs, inclusive), project(e.right, refs, inclusive))
    case 'or':
      return boundOr(project(e.left, refs, inclusive), project(e.right, refs, inclusive))
  }
  // Inclusive: every field's statement holds for a matching row. Strict: one field that proves it is enough.
  let result: BoundExpression = inclusive ? ALWAYS_TRUE : ALWAYS_FALSE
  for (const target of refs.get(e.ref.fieldId) ?? []) {
    // A column whose type was promoted since compares in its own type: the literal still has it.
    const projected = inclusive ? inclusiveLeaf(e, target) : strictLeaf(e, target)
    if (projected === undefined) continue
    result = inclusive ? boundAnd(result, projected) : boundOr(result, projected)
  }
  return result
}

type Leaf = Exclude<BoundExpression, { kind: 'true' | 'false' | 'and' | 'or' }>

function inclusiveLeaf(
  e: Leaf,
  { transform, sourceType, ref }: PartitionRef,
): BoundExpression | undefined {
  if (e.kind === 'unary') {
    // Every transform but void gives null exactly for null.
    if (e.op === 'is-null' || e.op === 'not-null') return { kind: 'unary', op: e.op, ref }
    if (transform.kind === 'identity') return { kind: 'unary', op: e.op, ref }
    return undefined
  }
  const apply = (v: PrimitiveValue): PrimitiveValue | undefined =>
    tryApply(transform, sourceType, v)
  switch (e.kind) {
    case 'compare': {
      const { op, value } = e
      if (transform.kind === 'identity') return { kind: 'compare', op, ref, value }
      if (op === 'not-eq') return undefined
      if (op === 'eq') {
        const image = apply(value)
        return image === undefined ? undefined : setOf('in', ref, withOldImages(transform, [image]))
      }
      if (transform.kind === 'bucket') return undefined
      // Order-preserving: x < v implies T(x) ≤ T(greatest value below v); v itself is always a sound limit.
      const limit =
        op === 'lt' ? below(sourceType, value) : op === 'gt' ? above(sourceType, value) : value
      const image = apply(limit) ?? apply(value)
      if (image === undefined) return undefined
      if (op === 'gt' || op === 'gt-eq') return { kind: 'compare', op: 'gt-eq', ref, value: image }
      const highest = withOldImages(transform, [image]).at(-1) as PrimitiveValue
      return { kind: 'compare', op: 'lt-eq', ref, value: highest }
    }
    case 'set': {
      if (transform.kind === 'identity') return { ...e, ref }
      if (e.op === 'not-in') return undefined
      const images = new Map<string, PrimitiveValue>()
      for (const value of e.values) {
        const image = apply(value)
        if (image === undefined) return undefined
        images.set(partitionKey([image]), image)
      }
      return setOf('in', ref, withOldImages(transform, [...images.values()]))
    }
    case 'prefix': {
      const prefix = e.prefix as string
      if (transform.kind === 'identity') return { kind: 'prefix', op: e.op, ref, prefix }
      if (transform.kind !== 'truncate') return undefined
      const length = codePointLength(prefix)
      if (e.op === 'starts-with') {
        if (length <= transform.width) return { kind: 'prefix', op: 'starts-with', ref, prefix }
        const image = apply(prefix)
        return image === undefined ? undefined : { kind: 'compare', op: 'eq', ref, value: image }
      }
      // The truncated value decides about a prefix that is not longer than it (iceberg-go#1192).
      if (length < transform.width) return { kind: 'prefix', op: 'not-starts-with', ref, prefix }
      if (length === transform.width) return { kind: 'compare', op: 'not-eq', ref, value: prefix }
      return undefined
    }
  }
}

function strictLeaf(
  e: Leaf,
  { transform, sourceType, ref }: PartitionRef,
): BoundExpression | undefined {
  if (e.kind === 'unary') {
    if (e.op === 'is-null' || e.op === 'not-null') return { kind: 'unary', op: e.op, ref }
    return transform.kind === 'identity' ? { kind: 'unary', op: e.op, ref } : undefined
  }
  const apply = (v: PrimitiveValue): PrimitiveValue | undefined =>
    tryApply(transform, sourceType, v)
  switch (e.kind) {
    case 'compare': {
      const { op, value } = e
      if (transform.kind === 'identity') return { kind: 'compare', op, ref, value }
      if (op === 'eq') return undefined
      const image = apply(value)
      if (image === undefined) return undefined
      if (op === 'not-eq') return setOf('not-in', ref, withOldImages(transform, [image]))
      if (transform.kind === 'bucket') return undefined
      // T(x) < T(v) implies x < v; T(x) = T(v) proves nothing unless v is the edge of its interval.
      if (op === 'lt' || op === 'lt-eq') {
        const edge = op === 'lt' ? value : above(sourceType, value)
        const edgeImage = apply(edge) ?? image
        return { kind: 'compare', op: 'lt', ref, value: edgeImage }
      }
      const edge = op === 'gt' ? value : below(sourceType, value)
      const edgeImage = apply(edge) ?? image
      const highest = withOldImages(transform, [edgeImage]).at(-1) as PrimitiveValue
      return { kind: 'compare', op: 'gt', ref, value: highest }
    }
    case 'set': {
      if (transform.kind === 'identity') return { ...e, ref }
      if (e.op === 'in') return undefined
      const images = new Map<string, PrimitiveValue>()
      for (const value of e.values) {
        const image = apply(value)
        if (image === undefined) return undefined
        images.set(partitionKey([image]), image)
      }
      return setOf('not-in', ref, withOldImages(transform, [...images.values()]))
    }
    case 'prefix': {
      const prefix = e.prefix as string
      if (transform.kind === 'identity') return { kind: 'prefix', op: e.op, ref, prefix }
      if (transform.kind !== 'truncate') return undefined
      const length = codePointLength(prefix)
      if (e.op === 'starts-with') {
        return length <= transform.width
          ? { kind: 'prefix', op: 'starts-with', ref, prefix }
          : undefined
      }
      if (length <= transform.width) return { kind: 'prefix', op: 'not-starts-with', ref, prefix }
      const image = apply(prefix)
      return image === undefined ? undefined : { kind: 'compare', op: 'not-eq', ref, value: image }
    }
  }
}

function setOf(
  op: 'in' | 'not-in',
  ref: BoundRef,
  values: readonly PrimitiveValue[],
): BoundExpression {
  if (values.length === 1) {
    const value = values[0] as PrimitiveValue
    return { kind: 'compare', op: op === 'in' ? 'eq' : 'not-eq', ref, value }
  }
  return { kind: 'set', op, ref, values: [...values].sort(comparatorOf(ref.type)) }
}

/**
 * Early Iceberg versions truncated times before 1970 towards zero, one too high. Their tables are still read:
 * next to a negative image the one above it has to be considered too, as the reference implementation does.
 */
function withOldImages(
  transform: Transform,
  images: readonly PrimitiveValue[],
): readonly PrimitiveValue[] {
  if (!TIME_TRANSFORMS.has(transform.kind)) return images
  const all = new Set<number>()
  for (const image of images as readonly number[]) {
    all.add(image)
    if (image < 0) all.add(image + 1)
  }
  return [...all].sort((a, b) => a - b)
}

const TIME_TRANSFORMS: ReadonlySet<string> = new Set(['year', 'month', 'day', 'hour'])

/** The image of a literal, or undefined where the transform cannot take it (underflow at the type's minimum). */
function tryApply(
  transform: Transform,
  type: PrimitiveType,
  value: PrimitiveValue,
): PrimitiveValue | undefined {
  try {
    return (applyTransform(transform, type, value) as PrimitiveValue | null) ?? undefined
  } catch {
    return undefined
  }
}

/** The greatest value below, for types of discrete values; the value itself for others. */
function below(type: PrimitiveType, value: PrimitiveValue): PrimitiveValue {
  return step(type, value, -1)
}

function above(type: PrimitiveType, value: PrimitiveValue): PrimitiveValue {
  return step(type, value, 1)
}

function step(type: PrimitiveType, value: PrimitiveValue, by: 1 | -1): PrimitiveValue {
  switch (type.kind) {
    case 'int':
    case 'date': {
      const next = (value as number) + by
      return (next | 0) === next ? next : value
    }
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      const next = (value as bigint) + BigInt(by)
      return BigInt.asIntN(64, next) === next ? next : value
    }
    case 'decimal':
      return (value as bigint) + BigInt(by)
    default:
      return value
  }
}

function codePointLength(text: string): number {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xdc00 || unit > 0xdfff) length++
  }
  return length
}
