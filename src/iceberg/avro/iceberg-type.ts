/** Iceberg types of Avro types, for values whose type no schema tells. Iceberg spec §Appendix A: Avro. */
import type { PrimitiveType } from '../spec/types.ts'
import type { AvroType } from './avro-schema.ts'

/** The Iceberg type that an Avro type most likely was written for; unknown for what no partition value has. */
export function icebergType(avro: AvroType): PrimitiveType {
  switch (avro.kind) {
    case 'union': {
      const types = avro.branches.filter((branch) => branch.kind !== 'null')
      return types.length === 1 ? icebergType(types[0] as AvroType) : { kind: 'unknown' }
    }
    case 'boolean':
    case 'float':
    case 'double':
    case 'string':
      return { kind: avro.kind }
    case 'bytes':
      return avro.logical?.name === 'decimal' ? decimalType(avro.logical) : { kind: 'binary' }
    case 'int':
      return { kind: avro.logical?.name === 'date' ? 'date' : 'int' }
    case 'long':
      return longType(avro.logical?.name, avro.logical?.adjustToUtc ?? false)
    case 'fixed':
      if (avro.logical?.name === 'decimal') return decimalType(avro.logical)
      if (avro.logical?.name === 'uuid' && avro.size === 16) return { kind: 'uuid' }
      return { kind: 'fixed', length: avro.size }
    default:
      return { kind: 'unknown' }
  }
}

function decimalType(logical: { precision?: number; scale?: number }): PrimitiveType {
  return { kind: 'decimal', precision: logical.precision ?? 38, scale: logical.scale ?? 0 }
}

function longType(logical: string | undefined, utc: boolean): PrimitiveType {
  switch (logical) {
    case 'time-micros':
      return { kind: 'time' }
    case 'timestamp-millis':
    case 'timestamp-micros':
      return { kind: utc ? 'timestamptz' : 'timestamp' }
    case 'timestamp-nanos':
      return { kind: utc ? 'timestamptz_ns' : 'timestamp_ns' }
    default:
      return { kind: 'long' }
  }
}
