export const VERSIONS: {
  readonly trino: string
  readonly spark: string
  readonly icebergSpark: string
  readonly pyiceberg: string
  readonly duckdb: string
  readonly kafka: string
}
/** @returns the folder that holds the jars in `libs`. */
export function installKafka(): Promise<string>
