/** Answers that refuse: status, type and message as the REST specification has them. Never leaves this folder. */
import { isFloeError } from '../../core/errors.ts'

/** The name of an error that clients of Iceberg's REST catalogs know. */
export type RestErrorType =
  | 'BadRequestException'
  | 'ForbiddenException'
  | 'NoSuchNamespaceException'
  | 'NoSuchTableException'
  | 'NoSuchWarehouseException'
  | 'NotFoundException'
  | 'UnsupportedOperationException'
  | 'ServiceUnavailableException'
  | 'InternalServerError'

export class RestError extends Error {
  readonly status: number
  readonly type: RestErrorType
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    type: RestErrorType,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.status = status
    this.type = type
    this.headers = headers
  }
}

export function badRequest(message: string): RestError {
  return new RestError(400, 'BadRequestException', message)
}

export function noSuchNamespace(levels: readonly string[]): RestError {
  const name = levels.join('.')
  return new RestError(404, 'NoSuchNamespaceException', `Namespace does not exist: ${shown(name)}`)
}

export function noSuchTable(levels: readonly string[], table: string): RestError {
  const name = [...levels, table].join('.')
  return new RestError(404, 'NoSuchTableException', `Table does not exist: ${shown(name)}`)
}

/**
 * The answer to whatever a request failed with. What clients cannot help is told by its code alone: messages name
 * files and servers.
 */
export function restErrorOf(error: unknown): RestError {
  if (error instanceof RestError) return error
  if (isFloeError(error) && (error.retryable || error.kind === 'closed')) {
    return new RestError(
      503,
      'ServiceUnavailableException',
      `The catalog cannot be reached now [${error.code}]. Try again`,
      { 'Retry-After': '1' },
    )
  }
  const code = isFloeError(error) ? ` [${error.code}]` : ''
  return new RestError(
    500,
    'InternalServerError',
    `The request failed inside the server${code}. Its operator finds the reason in its log`,
  )
}

/** Names come from outside: what is repeated of them is bounded. */
function shown(name: string): string {
  return name.length > 300 ? `${name.slice(0, 300)}…` : name
}
