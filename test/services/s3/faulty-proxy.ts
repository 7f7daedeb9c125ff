/**
 * A proxy in this process between the real SDK and a real server, that does what networks, load balancers and
 * servers do: loses requests and answers, delivers requests late or twice, cuts both short, answers by itself.
 */
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export const PROXY_FAULTS = [
  /** The connection ends before the request reached the server. */
  'lose-request',
  /** The server did it; its answer is lost. */
  'lose-answer',
  /** The client is cut off; the request reaches the server some time after. */
  'deliver-late',
  /** No answer while the client waits; the server does it after the client gave up. */
  'stall',
  /** Slower than usual, but in time. */
  'delay',
  /** Sent twice; the client sees the second answer. */
  'repeat',
  /** Sent twice, the second time after the client has its answer. */
  'repeat-late',
  /** The server did it; its answer is cut in the middle. */
  'cut-answer',
  /** The server sees half of the request. */
  'cut-request',
  /** An error in place of the request being done. */
  '500',
  '503',
  '409',
  '412',
  /** An error although it was done. */
  '500-done',
  '503-done',
  '409-done',
  '412-done',
] as const

export type ProxyFault = (typeof PROXY_FAULTS)[number]

export interface ProxyRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
}

export interface ProxyTimes {
  /** Longer than the client waits. */
  readonly stallMs: number
  readonly lateMs: number
  readonly delayMs: number
}

interface Answer {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

export class FaultyProxy {
  /** Chooses what happens to a request; undefined lets it through. */
  choose: (request: ProxyRequest) => ProxyFault | undefined = () => undefined
  /** What happened since the last reset, in order. */
  readonly faults: { readonly request: ProxyRequest; readonly fault: ProxyFault }[] = []
  readonly #server: Server
  readonly #upstream: URL
  readonly #times: ProxyTimes
  readonly #agent = new Agent({ keepAlive: true })
  /** Requests that are still on their way to the server, seen by the client or not. */
  readonly #under = new Set<Promise<unknown>>()
  #port = 0

  private constructor(upstream: string, times: ProxyTimes) {
    this.#upstream = new URL(upstream)
    this.#times = times
    this.#server = createServer((incoming, response) => {
      const work = this.#serve(incoming, response.socket as Socket).catch(() => {
        incoming.socket.destroy()
      })
      this.#under.add(work)
      void work.finally(() => this.#under.delete(work))
    })
    // Answers are written by hand, so each connection carries one request.
    this.#server.keepAliveTimeout = 1
  }

  static async start(upstream: string, times: ProxyTimes): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(upstream, times)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    proxy.#port = (proxy.#server.address() as AddressInfo).port
    return proxy
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Waits until no request is on its way any more, late ones included. */
  async settled(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under)
  }

  async stop(): Promise<void> {
    await this.settled()
    this.#agent.destroy()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, socket: Socket): Promise<void> {
    socket.on('error', () => undefined)
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const seen = { method: incoming.method ?? '', url: incoming.url ?? '' }
    const fault = this.choose(seen)
    if (fault !== undefined) this.faults.push({ request: seen, fault })
    const forward = (): Promise<Answer> => this.#forward(incoming, body)
    switch (fault) {
      case undefined:
        return reply(socket, await forward())
      case 'lose-request':
        return drop(socket)
      case 'lose-answer':
        await forward()
        return drop(socket)
      case 'deliver-late':
        drop(socket)
        await wait(this.#times.lateMs)
        await forward()
        return
      case 'stall':
        await wait(this.#times.stallMs)
        await forward()
        return drop(socket)
      case 'delay':
        await wait(this.#times.delayMs)
        return reply(socket, await forward())
      case 'repeat':
        await forward()
        return reply(socket, await forward())
      case 'repeat-late':
        reply(socket, await forward())
        await wait(this.#times.lateMs)
        await forward()
        return
      case 'cut-answer':
        return cut(socket, await forward())
      case 'cut-request':
        await this.#forwardHalf(incoming, body)
        return drop(socket)
      default: {
        const [status, done] = fault.split('-')
        if (done !== undefined) await forward()
        return reply(socket, errorAnswer(Number(status)))
      }
    }
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({
        host: this.#upstream.hostname,
        port: this.#upstream.port,
        agent: this.#agent,
        method: incoming.method ?? 'GET',
        path: incoming.url,
        // The Host is signed, so it stays that of the proxy.
        headers: { ...incoming.headers, connection: 'keep-alive' },
      })
      outgoing.on('error', reject)
      outgoing.on('response', (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          resolve({
            status: answer.statusCode ?? 500,
            headers: answer.rawHeaders,
            body: Buffer.concat(chunks),
          })
        })
      })
      outgoing.end(body)
    })
  }

  /** Sends the head and half of the body, then ends the connection. */
  #forwardHalf(incoming: IncomingMessage, body: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const raw = connect(Number(this.#upstream.port), this.#upstream.hostname)
      const head = [`${incoming.method} ${incoming.url} HTTP/1.1`]
      for (const [name, value] of Object.entries(incoming.headers)) {
        head.push(`${name}: ${String(value)}`)
      }
      raw.on('error', () => undefined)
      raw.on('close', () => resolve())
      raw.write(`${head.join('\r\n')}\r\n\r\n`)
      raw.write(body.subarray(0, body.length >> 1), () => raw.destroy())
    })
  }
}

function drop(socket: Socket): void {
  socket.destroy()
}

function reply(socket: Socket, answer: Answer): void {
  if (!socket.destroyed) socket.end(serialized(answer))
}

function cut(socket: Socket, answer: Answer): void {
  const whole = serialized(answer)
  socket.write(whole.subarray(0, whole.length >> 1), () => socket.destroy())
}

function serialized(answer: Answer): Buffer {
  const lines = [`HTTP/1.1 ${answer.status} X`]
  let length: string | undefined
  for (let i = 0; i < answer.headers.length; i += 2) {
    const [name, value] = [answer.headers[i] as string, answer.headers[i + 1] as string]
    if (/^content-length$/i.test(name)) length = value
    if (/^(connection|keep-alive|transfer-encoding|content-length)$/i.test(name)) continue
    lines.push(`${name}: ${value}`)
  }
  // The answer to a HEAD has the length of a body that is not sent.
  lines.push(`Content-Length: ${answer.body.length > 0 ? answer.body.length : (length ?? 0)}`)
  lines.push('Connection: close')
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), answer.body])
}

const CODES: Readonly<Record<number, string>> = {
  409: 'ConditionalRequestConflict',
  412: 'PreconditionFailed',
  500: 'InternalError',
  503: 'SlowDown',
}

function errorAnswer(status: number): Answer {
  return {
    status,
    headers: ['Content-Type', 'application/xml', 'Date', new Date().toUTCString()],
    body: Buffer.from(
      `<?xml version="1.0"?><Error><Code>${CODES[status]}</Code><Message>proxy</Message></Error>`,
    ),
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
