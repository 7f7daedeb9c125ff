/**
 * An Iceberg REST catalog over a lake, for reading: other engines attach and read live tables while this process or
 * others write them. Iceberg REST Catalog API; what of it is served: docs/serve.md.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { within } from '../../core/bounded-wait.ts'
import { abortedError, FloeError } from '../../core/errors.ts'
import { ConnectionDeadlines } from './connection-deadlines.ts'
import { Dispatcher } from './dispatch.ts'
import { isLoopbackHost } from './host-guard.ts'
import {
  type ResolvedServeOptions,
  resolveServeOptions,
  type ServeCatalogOptions,
} from './options.ts'
import { hasLongBody, readBody } from './read-body.ts'
import { refuseConnection } from './refuse-connection.ts'
import { tellOperator } from './tell-operator.ts'

/** A catalog that is being served. */
export interface CatalogServer extends AsyncDisposable {
  /** What engines take as the catalog's URI, e.g. `http://127.0.0.1:8181`. */
  readonly url: string
  /** The address that it listens on. */
  readonly host: string
  readonly port: number
  /**
   * Takes no more requests, waits for those under way, at most `closeTimeoutMs`, and then ends their connections.
   * Idempotent. The lake stays open.
   */
  close(): Promise<void>
}

/** Idle connections are kept for so long, in milliseconds: engines ask again at their next query. */
const KEEP_ALIVE_MS = 30_000
/** Requests of one connection that are worked on at once. Engines send the next one after the answer. */
const MAX_PIPELINED = 16
/** An answer has the time of a request again for each of these begun, in bytes. */
const BYTES_PER_TIMEOUT = 1024 * 1024

/**
 * Serves a lake as an Iceberg REST catalog.
 * @throws LISTEN_FAILED if the address is in use or not one of this machine; BAD_ARGUMENT; ABORTED by the signal
 */
export async function serveCatalog(options: ServeCatalogOptions): Promise<CatalogServer> {
  const resolved = resolveServeOptions(options)
  const { signal } = resolved
  if (signal?.aborted) throw abortedError(signal, 'Serving a catalog')
  const server = new HttpCatalogServer(resolved)
  await server.listen()
  return server
}

class HttpCatalogServer implements CatalogServer {
  readonly #options: ResolvedServeOptions
  #dispatcher: Dispatcher
  readonly #server: Server
  readonly #deadlines: ConnectionDeadlines
  /** Requests under way by connection. */
  readonly #underWay = new WeakMap<Socket, number>()
  #closing: Promise<void> | undefined
  #address: AddressInfo | undefined

  constructor(options: ResolvedServeOptions) {
    this.#options = options
    this.#dispatcher = new Dispatcher(options, true)
    const checkingMs = Math.min(1_000, options.requestTimeoutMs)
    this.#deadlines = new ConnectionDeadlines(options.runtime, checkingMs)
    this.#server = createServer({
      maxHeaderSize: options.maxHeaderBytes,
      requestTimeout: options.requestTimeoutMs,
      headersTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: checkingMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
    })
    this.#server.maxConnections = options.maxConnections
    // A client that is silent while it is answered.
    this.#server.setTimeout(KEEP_ALIVE_MS + options.requestTimeoutMs * 2)
    this.#server.on('request', (request, response) => void this.#serve(request, response))
    this.#server.on('clientError', (error, socket) =>
      refuseConnection(error, socket, this.#deadlines),
    )
  }

  get url(): string {
    const { family } = this.#address as AddressInfo
    const host = ANY_ADDRESS.get(this.host) ?? this.host
    return `http://${family === 'IPv6' && host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  get host(): string {
    return (this.#address as AddressInfo).address
  }

  get port(): number {
    return (this.#address as AddressInfo).port
  }

  async listen(): Promise<void> {
    const { host, port, signal } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(listenFailed(host, port, error)),
      )
      this.#server.listen({ host, port }, resolve)
    })
    this.#server.removeAllListeners('error')
    // Running out of handles when a connection comes: the connection is lost, the server is not.
    this.#server.on('error', (error) =>
      tellOperator(this.#options, error, 'accepting a connection'),
    )
    this.#address = this.#server.address() as AddressInfo
    // A name can mean any address: what counts is where it listens. No request has been read yet.
    this.#dispatcher = new Dispatcher(this.#options, isLoopbackHost(this.host))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted) {
      await this.close()
      throw abortedError(signal, 'Serving a catalog')
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #onAbort = (): void => {
    void this.close()
  }

  async #close(): Promise<void> {
    const { signal, runtime, closeTimeoutMs } = this.#options
    signal?.removeEventListener('abort', this.#onAbort)
    const ended = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    await within(runtime, closeTimeoutMs, ended)
    this.#server.closeAllConnections()
    await ended
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = message
    // More requests of what a destroyed one had sent.
    if (socket.destroyed) return
    const underWay = this.#underWay.get(socket) ?? 0
    if (underWay >= MAX_PIPELINED) {
      // Else one connection could have any number of them read the store at once. Clients ask again for what they sent
      // ahead and got no answer to (RFC 9112 §9.3.2).
      socket.destroy()
      return
    }
    this.#underWay.set(socket, underWay + 1)
    try {
      await this.#respond(message, response)
    } catch (error) {
      tellOperator(this.#options, error, `answering ${message.method ?? ''}`)
      socket.destroy()
    } finally {
      this.#underWay.set(socket, (this.#underWay.get(socket) as number) - 1)
    }
  }

  async #respond(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { maxBodyBytes, requestTimeoutMs } = this.#options
    const answer = await this.#dispatcher.answer({
      method: message.method ?? '',
      target: message.url ?? '',
      header: (name) => {
        const value = message.headers[name]
        return Array.isArray(value) ? value.join(', ') : value
      },
      body: () => readBody(message, this.#options),
    })
    // The client may have gone.
    if (response.destroyed) return
    const last = this.#closing !== undefined || hasLongBody(message, maxBodyBytes)
    const length = answer.body.reduce((sum, piece) => sum + piece.length, 0)
    response.writeHead(answer.status, {
      ...answer.headers,
      'X-Content-Type-Options': 'nosniff',
      ...(length === 0 ? {} : { 'Content-Length': String(length) }),
      ...(last ? { Connection: 'close' } : {}),
    })
    // A client that takes it in drops holds its memory, and is never idle.
    const timeouts = 1 + Math.ceil(length / BYTES_PER_TIMEOUT)
    const begin = (): void =>
      this.#deadlines.set(response, message.socket, requestTimeoutMs * timeouts)
    // The answers before it, on a connection where requests were sent ahead, have their own time.
    if (response.socket === null) response.once('socket', begin)
    else begin()
    response.once('close', () => this.#deadlines.lift(response))
    if (message.method !== 'HEAD') for (const piece of answer.body) response.write(piece)
    response.end()
  }
}

/** Addresses that mean all interfaces, with one that a client on this machine can use. */
const ANY_ADDRESS: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

function listenFailed(host: string, port: number, cause: NodeJS.ErrnoException): FloeError {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'another process listens there. Choose another port, or 0 for any free one'
      : cause.code === 'EACCES'
        ? 'this user may not. Choose a port from 1024 on'
        : `it is not an address of this machine (${cause.code ?? 'no code'}). Choose another host`
  return new FloeError('LISTEN_FAILED', `Cannot listen on ${host} port ${port}: ${why}`, {
    cause,
    context: { host, port },
  })
}
