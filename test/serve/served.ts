/** Catalog servers for tests, closed at the end, and requests as raw as a test needs them. */
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { afterEach } from 'vitest'
import { type JsonObject, parseJson } from '../../src/core/json.ts'
import type { CatalogServer, ServeCatalogOptions } from '../../src/serve/index.ts'
import { serveCatalog } from '../../src/serve/index.ts'

const open: CatalogServer[] = []

afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

export async function served(options: ServeCatalogOptions): Promise<CatalogServer> {
  const server = await serveCatalog({
    // What fails inside is a failure of the test, unless it says otherwise.
    onError: (error) => console.error(error),
    ...options,
  })
  open.push(server)
  return server
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: JsonObject
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/** One request on a connection of its own. The path goes out as it is, the Host header too if one is given. */
export function ask(server: CatalogServer, path: string, options: AskOptions = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: server.host, port: server.port, path, method, headers, agent: false },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString()
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            get json() {
              return parseJson(text, 'the reply') as JsonObject
            },
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/**
 * Sends bytes that need not be HTTP, and gives all that comes back until the server closes.
 * @param later milliseconds, and what is sent after them.
 */
export function raw(
  server: CatalogServer,
  text: string,
  later?: readonly [number, string],
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host)
    let out = ''
    socket.on('data', (piece) => {
      out += piece.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(out))
    socket.write(text)
    if (later !== undefined) setTimeout(() => socket.write(later[1]), later[0])
  })
}

/**
 * Sends a text, never closes its end, and sends a byte now and then, so that no idle time-out sees it.
 * @param options `reading` false leaves all that comes unread. @returns what came until the server ended the connection
 */
export function clinging(
  server: CatalogServer,
  text: string,
  options: { readonly byte?: string; readonly reading?: boolean } = {},
): Promise<string> {
  const { byte = 'x', reading = true } = options
  return new Promise((resolve) => {
    const socket = connect({ port: server.port, host: server.host, allowHalfOpen: true })
    let out = ''
    if (reading) {
      socket.on('data', (piece) => {
        out += piece.toString()
      })
    }
    const drip = setInterval(() => socket.write(byte), 20)
    const onEnded = (): void => {
      clearInterval(drip)
      socket.destroy()
      resolve(out)
    }
    // The end of a connection that was destroyed is seen by the next byte alone.
    socket.on('error', onEnded)
    socket.on('close', onEnded)
    socket.write(text)
  })
}

/** `[status, type]` of a refusal, after checking that status and body agree. */
export function refusal(reply: Reply): [number, unknown] {
  const error = reply.json['error'] as JsonObject
  if (error['code'] !== reply.status || typeof error['message'] !== 'string') {
    throw new Error(`status ${reply.status} with ${reply.text}`)
  }
  return [reply.status, error['type']]
}
