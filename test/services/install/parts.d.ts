export const VERSIONS: {
  readonly trino: string
  readonly spark: string
  readonly icebergSpark: string
  readonly pyiceberg: string
  readonly duckdb: string
}
