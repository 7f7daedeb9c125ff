/** Reads the body of a request, bounded. */
import type { IncomingMessage } from 'node:http'
import { badRequest, RestError } from './rest-error.ts'

/** @throws RestError 413 as soon as more than `maxBytes` are declared or come; 400 if the client goes away */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
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
