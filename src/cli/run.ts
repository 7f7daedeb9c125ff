/** From arguments to an exit code: finds the command, shows help, tells errors. */
import { isFloeError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT, exitCodeOf, UsageError } from './exit-code.ts'
import { serveCommand } from './serve.ts'

const COMMANDS: readonly Command[] = [serveCommand]

const HELP = `floe ${VERSION}: an embedded lakehouse engine for Node

Usage: floe COMMAND [arguments]

${COMMANDS.map((c) => `  ${c.name.padEnd(10)} ${c.summary}`).join('\n')}

  --help     this text; floe COMMAND --help tells more
  --version  the version

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 not found, 4 conflict, 5 outcome not known, 6 damaged data.
`

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    context.out(HELP)
    return EXIT.ok
  }
  if (name === '--version') {
    context.out(`${VERSION}\n`)
    return EXIT.ok
  }
  const command = COMMANDS.find((c) => c.name === name)
  if (command === undefined) {
    const why = name === undefined ? 'no command' : `there is no command ${JSON.stringify(name)}`
    context.err(`floe: ${why}\n\n${HELP}`)
    return EXIT.usage
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    context.out(command.help)
    return EXIT.ok
  }
  try {
    return await command.run(rest, context)
  } catch (error) {
    context.err(`floe ${command.name}: ${messageOf(error)}\n`)
    if (error instanceof UsageError) context.err(`See floe ${command.name} --help\n`)
    return exitCodeOf(error)
  }
}

/** Errors on purpose by their message; others are bugs, and their trace helps. */
function messageOf(error: unknown): string {
  if (isFloeError(error) || error instanceof UsageError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
