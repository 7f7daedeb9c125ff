/**
 * Serving a lake to other engines: `floe/serve`.
 *
 * @module
 */
export type { MetricsReport } from './rest-catalog/metrics-report.ts'
export type {
  S3ClientSettings,
  ServeCatalogOptions,
  ServedLake,
  VendedCredentials,
} from './rest-catalog/options.ts'
export { type CatalogServer, serveCatalog } from './rest-catalog/serve-catalog.ts'
