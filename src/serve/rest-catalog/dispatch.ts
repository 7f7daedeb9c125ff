/** From a request's method, target and headers to its answer: everything but the connection. */
import { LATE, within } from '../../core/bounded-wait.ts'
import { FloeError } from '../../core/errors.ts'
import { jsonObject } from '../../core/json.ts'
import { type Answer, jsonAnswer, type RestRequest } from './answer.ts'
import { isServedHostHeader } from './host-guard.ts'
import type { ResolvedServeOptions } from './options.ts'
import { badRequest, RestError, restErrorOf } from './rest-error.ts'
import { findRoute, type Route, routesOf } from './routes.ts'
import { tellOperator } from './tell-operator.ts'

/** A request as it came, its path not yet looked at. */
export interface IncomingRequest extends Pick<RestRequest, 'header'> {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** The whole body. @throws RestError 413 or 408 beyond the limits */
  body(): Promise<Uint8Array>
}

const NO_BODY = new Uint8Array()

export class Dispatcher {
  readonly #options: ResolvedServeOptions
  readonly #routes: readonly Route[]
  readonly #loopbackOnly: boolean

  /** @param loopbackOnly refuse requests that name no host of the loopback interface. */
  constructor(options: ResolvedServeOptions, loopbackOnly: boolean) {
    this.#options = options
    this.#loopbackOnly = loopbackOnly
    this.#routes = routesOf(options)
  }

  /** Never rejects. */
  async answer(request: IncomingRequest): Promise<Answer> {
    try {
      return await this.#handle(request)
    } catch (error) {
      const refusal = restErrorOf(error)
      // What refuses is for the client.
      if (refusal !== error) this.#tell(error, request)
      return errorAnswer(refusal)
    }
  }

  async #handle(request: IncomingRequest): Promise<Answer> {
    if (this.#loopbackOnly && !isServedHostHeader(request.header('host'), this.#options.host)) {
      throw new RestError(
        403,
        'ForbiddenException',
        'This server listens on the loopback interface and answers requests to 127.0.0.1, [::1] and localhost alone: the Host header names another',
      )
    }
    const { method } = request
    // Servers have to take targets with scheme and host, too (RFC 9112 §3.2.2).
    const target = request.target.replace(/^https?:\/\/[^/?]*/i, '')
    const mark = target.indexOf('?')
    const parts = partsOf(mark < 0 ? target : target.slice(0, mark))
    const found = parts === undefined ? undefined : findRoute(this.#routes, parts)
    if (found === undefined) {
      throw new RestError(
        404,
        'NotFoundException',
        'There is no such path. Clients begin at /v1/config',
      )
    }
    const { route, variables } = found
    if (route.refused.includes(method)) throw unsupported(route)
    // Where the specification has no HEAD, it is GET without the content (RFC 9110 §9.3.2).
    const handler =
      route.handlers.get(method) ?? (method === 'HEAD' ? route.handlers.get('GET') : undefined)
    if (handler === undefined) throw methodNotAllowed(route)
    const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1))
    // Before the deadline of the answer begins: a slow client is not a slow server.
    const body = method === 'POST' ? await request.body() : NO_BODY
    return this.#withDeadline(handler({ variables, query, header: request.header, body }), request)
  }

  #tell(error: unknown, { method, target }: IncomingRequest): void {
    tellOperator(this.#options, error, `${method} ${target.slice(0, 1000)}`)
  }

  /**
   * The work goes on, as stores have time-outs of their own, but nobody waits for it any more. How it fails is told
   * nevertheless: that says why it took so long.
   */
  async #withDeadline(work: Promise<Answer>, request: IncomingRequest): Promise<Answer> {
    const { runtime, requestTimeoutMs } = this.#options
    const answer = await within(runtime, requestTimeoutMs, work)
    if (answer !== LATE) return answer
    work.catch((error: unknown) => {
      if (restErrorOf(error) !== error) this.#tell(error, request)
    })
    throw new FloeError(
      'STORE_UNAVAILABLE',
      `The lake gave no answer within ${requestTimeoutMs} ms, so the client was told to try again`,
    )
  }
}

export function errorAnswer(error: RestError): Answer {
  const body = Object.assign(jsonObject(), {
    error: { message: error.message, type: error.type, code: error.status },
  })
  return jsonAnswer(error.status, body, error.headers)
}

/** The decoded parts of a path below `/v1`; undefined for another. @throws RestError 400 for bad escapes */
function partsOf(path: string): readonly string[] | undefined {
  const [root, version, ...parts] = path.split('/')
  if (root !== '' || version !== 'v1') return undefined
  try {
    // Iceberg's own clients write a space as a plus, as in forms, and escape a plus; so do the others with pluses.
    return parts.map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
  } catch {
    throw badRequest('The path has a percent sign that begins no UTF-8 character')
  }
}

function unsupported(route: Route): RestError {
  const path = `/v1/${route.parts.join('/')}`
  return new RestError(
    406,
    'UnsupportedOperationException',
    `The server does not support this operation on ${path}: it serves a lake for reading. Tables are written through floe`,
  )
}

function methodNotAllowed(route: Route): RestError {
  const allowed = new Set(route.handlers.keys())
  if (allowed.has('GET')) allowed.add('HEAD')
  return new RestError(
    405,
    'BadRequestException',
    `The path /v1/${route.parts.join('/')} does not know this method`,
    { Allow: [...allowed].join(', ') },
  )
}
