/** Reads the body of a request, bounded in bytes and time. */
import type { IncomingMessage } from 'node:http'
import { LATE, within } from '../../core/bounded-wait.ts'
import type { Runtime } from '../../core/runtime.ts'
import { badRequest, RestError } from './rest-error.ts'

export interface BodyLimits {
  readonly runtime: Runtime
  readonly maxBodyBytes: number
  /** For the whole body, in milliseconds. */
  readonly requestTimeoutMs: number
}

/**
 * @throws RestError 413 as soon as more than `maxBodyBytes` are declared or come; 408 if it takes longer than
 * `requestTimeoutMs`; 400 if the client goes away
 */
export async function readBody(message: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  // Left alone when it is late, it ends with the connection.
  const read = readPieces(message, limits.maxBodyBytes)
  const body = await within(limits.runtime, limits.requestTimeoutMs, read)
  if (body === LATE) throw tooSlow()
  return body
}

async function readPieces(message: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  if (declaredBytes(message) > maxBytes) throw tooLarge(maxBytes)
  const pieces: Buffer[] = []
  let length = 0
  try {
    // The stream stays as it is when the loop is left: the answer still has to go out on its connection.
    for await (const piece of message.iterator({ destroyOnReturn: false })) {
      pieces.push(piece as Buffer)
      length += (piece as Buffer).length
      if (length > maxBytes) throw tooLarge(maxBytes)
    }
  } catch (error) {
    if (error instanceof RestError) throw error
    throw badRequest('The body ended early')
  }
  return Buffer.concat(pieces)
}

/** True if there may be so much of a body still to come that the connection is better closed than read on. */
export function hasLongBody(message: IncomingMessage, maxBytes: number): boolean {
  if (message.complete) return false
  return message.headers['transfer-encoding'] !== undefined || declaredBytes(message) > maxBytes
}

function declaredBytes(message: IncomingMessage): number {
  return Number(message.headers['content-length'] ?? 0)
}

function tooLarge(maxBytes: number): RestError {
  return new RestError(
    413,
    'BadRequestException',
    `The body is larger than this server takes: ${maxBytes} bytes`,
  )
}

function tooSlow(): RestError {
  // What would still come of the body is no next request.
  return new RestError(408, 'BadRequestException', 'The request did not come in time', {
    Connection: 'close',
  })
}
