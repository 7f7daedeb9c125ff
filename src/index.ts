/**
 * floe: an embedded lakehouse engine. The public names of the package.
 *
 * @module
 */
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorContext,
  type ErrorKind,
  FloeError,
  isFloeError,
} from './core/errors.ts'
export { DEFAULT_LIMITS, type Limits } from './core/limits.ts'
export { type Runtime, systemRuntime } from './core/runtime.ts'
export { VERSION } from './core/version.ts'
export type { Row, RowForm } from './iceberg/columns/to-rows.ts'
export type { ContentFile } from './iceberg/manifest/entry.ts'
export {
  and,
  eq,
  gt,
  gtEq,
  isIn,
  isNan,
  isNull,
  lt,
  ltEq,
  not,
  notEq,
  notIn,
  notNan,
  notNull,
  notStartsWith,
  or,
  startsWith,
} from './iceberg/spec/expressions/builders.ts'
export type { Expression, LiteralInput } from './iceberg/spec/expressions/expression.ts'
export type { ColumnCondition, Where, WhereObject } from './iceberg/spec/expressions/where.ts'
export type { TableMetadata } from './iceberg/spec/metadata.ts'
export type { PartitionField, PartitionSpec } from './iceberg/spec/partition-spec.ts'
export type { SnapshotSelector } from './iceberg/spec/refs.ts'
export { Schema } from './iceberg/spec/schema.ts'
export {
  type Columns,
  type ColumnType,
  type InferInput,
  type InferRow,
  type SchemaLiteral,
  schema,
  t,
} from './iceberg/spec/schema-literal.ts'
export type { Snapshot, SnapshotRef } from './iceberg/spec/snapshot.ts'
export type { NestedField, Type } from './iceberg/spec/types.ts'
export {
  FSCK_CHECKS,
  type FsckCheck,
  type FsckOptions,
  type FsckProblem,
  type FsckReport,
} from './iceberg/table/fsck/report.ts'
export type {
  CreateTableOptions,
  Lake,
  LakeOptions,
  OpenOptions,
  OpenTableOptions,
} from './iceberg/table/lake.ts'
export type { DeleteOutcome } from './iceberg/table/operations/delete-where.ts'
export type { RowDeletes } from './iceberg/table/operations/explicit-delta.ts'
export type { FileScanTask, ScanPlan, ScanReport } from './iceberg/table/scan/plan.ts'
export type { ScanOptions, TableScan } from './iceberg/table/scan/table-scan.ts'
export type {
  AppendOptions,
  AppendResult,
  DeleteWhereOptions,
  DeleteWhereResult,
  Table,
  TableUpsertOptions,
  UpsertResult,
} from './iceberg/table/table.ts'
export type { TableState } from './iceberg/table/table-state.ts'
export type {
  AppendProgress,
  StageAppendOptions,
  StageDeleteOptions,
  StageRowDeltaOptions,
  TableReference,
  Transaction,
  TransactionOptions,
  TransactionResult,
  TransactionTableResult,
} from './iceberg/table/transaction.ts'
export type {
  RowPredicate,
  UpsertCounts,
  UpsertFiles,
  UpsertOptions,
  UpsertOutcome,
  UpsertProgress,
} from './iceberg/table/upsert-engine.ts'
export type { AppendInput } from './iceberg/table/write/input.ts'
export { MemoryStore } from './io/memory.ts'
export type {
  Durability,
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  PutOptions,
  RequestOptions,
} from './io/store.ts'
export { openLake, openTable } from './open.ts'
