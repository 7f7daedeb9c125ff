/** The settings that a table comes with: how engines reach its files. */
import { type JsonObject, jsonObject } from '../../core/json.ts'
import type { ResolvedServeOptions } from './options.ts'

/** The `config` of LoadTableResult: with keys for clients that asked for them, if there are any to give. */
export function clientConfig(options: ResolvedServeOptions, withKeys: boolean): JsonObject {
  const config = jsonObject()
  const { s3, vendedCredentials } = options
  if (s3 !== undefined) {
    if (s3.endpoint !== undefined) config['s3.endpoint'] = s3.endpoint
    if (s3.region !== undefined) {
      config['client.region'] = s3.region
      // The name that PyIceberg and DuckDB look for.
      config['s3.region'] = s3.region
    }
    const pathStyle = s3.pathStyleAccess ?? s3.endpoint !== undefined
    config['s3.path-style-access'] = String(pathStyle)
    // PyIceberg's word for the same, the other way round.
    config['s3.force-virtual-addressing'] = String(!pathStyle)
  }
  if (withKeys && vendedCredentials !== undefined) {
    config['s3.access-key-id'] = vendedCredentials.accessKeyId
    config['s3.secret-access-key'] = vendedCredentials.secretAccessKey
    if (vendedCredentials.sessionToken !== undefined) {
      config['s3.session-token'] = vendedCredentials.sessionToken
    }
  }
  return config
}

/** True if the header X-Iceberg-Access-Delegation asks for keys. */
export function asksForKeys(header: string | undefined): boolean {
  return (header ?? '').split(',').some((item) => item.trim() === 'vended-credentials')
}
