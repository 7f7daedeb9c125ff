/** What `npm run test:services` has installed, where benchmarks find peers and servers. Only the suite `kafka` installs. */
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const ROOT: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

const CACHE =
  process.env['FLOE_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'floe', 'services')

/** The folder of a part by its name in test/services/install/parts.js, if it is installed. */
export function installedPart(name: string): string | undefined {
  if (!existsSync(CACHE)) return undefined
  return readdirSync(CACHE)
    .filter(
      (folder) =>
        folder.startsWith(`${name}-`) && /^[0-9a-f]{12}$/.test(folder.slice(name.length + 1)),
    )
    .map((folder) => join(CACHE, folder))
    .find((folder) => existsSync(join(folder, '.complete')))
}

/** The Python environment with PyIceberg, DuckDB and PyArrow, if it is installed. */
export function peerInterpreter(): string | undefined {
  const folder = installedPart('python')
  return folder === undefined ? undefined : join(folder, 'bin', 'python')
}
