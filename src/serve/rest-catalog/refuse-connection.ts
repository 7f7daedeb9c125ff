/** Answers what is no HTTP request, too large or too slow, and closes. */
import type { Duplex } from 'node:stream'
import type { ConnectionDeadlines } from './connection-deadlines.ts'
import { errorAnswer } from './dispatch.ts'
import { badRequest, RestError } from './rest-error.ts'

/** So long a client may take to read a refusal and close, in milliseconds: data that meets a closed end destroys it. */
const LINGER_MS = 1_000

/** @param error what a server's `clientError` event has. */
export function refuseConnection(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  deadlines: ConnectionDeadlines,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new RestError(431, 'BadRequestException', 'The headers are larger than this server takes')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new RestError(408, 'BadRequestException', 'The request did not come in time')
        : badRequest('This is not a request that can be read')
  const { status, headers, body } = errorAnswer(refusal)
  const content = Buffer.concat(body)
  const lines = Object.entries({
    ...headers,
    'Content-Length': String(content.length),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join('')}\r\n`),
      content,
    ]),
  )
  // This was our end alone: a client that keeps its own would hold the connection with a byte now and then.
  deadlines.set(socket, socket, LINGER_MS)
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}
