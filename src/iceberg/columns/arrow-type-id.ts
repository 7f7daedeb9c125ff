/**
 * The numbers of Arrow's types, as the Arrow format fixes them (Schema.fbs), so that code can look at columns of any
 * copy or version of apache-arrow without loading ours. Dictionary is apache-arrow's own.
 */
export const ARROW_TYPE = {
  Dictionary: -1,
  Null: 1,
  Int: 2,
  Float: 3,
  Binary: 4,
  Utf8: 5,
  Bool: 6,
  Decimal: 7,
  Date: 8,
  Time: 9,
  Timestamp: 10,
  List: 12,
  Struct: 13,
  FixedSizeBinary: 15,
  FixedSizeList: 16,
  Map: 17,
  LargeBinary: 19,
  LargeUtf8: 20,
  LargeList: 21,
  BinaryView: 23,
  Utf8View: 24,
} as const
