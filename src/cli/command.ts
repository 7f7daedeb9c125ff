/** What the command line asks of a command, and what it gives it. */

export interface CommandContext {
  /** Text for the user or the next program; ends with a line feed. */
  readonly out: (text: string) => void
  /** Troubles; ends with a line feed. */
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts at Ctrl-C and SIGTERM: the command closes what is open and returns. */
  readonly signal: AbortSignal
}

export interface Command {
  readonly name: string
  /** A line in `floe --help`. */
  readonly summary: string
  /** `floe NAME --help`. */
  readonly help: string
  /** The exit code. @throws UsageError, FloeError */
  run(args: readonly string[], context: CommandContext): Promise<number>
}
