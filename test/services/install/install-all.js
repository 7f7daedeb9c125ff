/** Installs the parts named on the command line, or all. */
import { PARTS } from './parts.js'

const names = process.argv.slice(2)
const installers = new Set(
  (names.length === 0 ? Object.keys(PARTS) : names).map((name) => PARTS[name]),
)
for (const install of installers) await install()
