/**
 * A small S3 over HTTP in this process, for what real servers do only by accident: every answer can be replaced,
 * dropped, cut or held. Notes each request.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeRequest {
  readonly method: string
  /** Decoded path without the query, `/bucket/key`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly startedMs: number
  endedMs: number
}

/** What happens to a request instead of, or after, its being done. */
export type Intervention =
  /** An answer in place of the real one; the request is not done. */
  | { readonly status: number; readonly code?: string; readonly headers?: Record<string, string> }
  /** The connection is closed before the request is done. */
  | 'drop'
  /** The request is done and the connection closed. */
  | 'drop-answer'
  /** The request is done and half of its answer sent. */
  | 'cut-answer'
  /** No answer ever. */
  | 'hang'

interface StoredObject {
  readonly body: Buffer
  readonly modified: Date
}

export class FakeS3 {
  readonly requests: FakeRequest[] = []
  readonly objects = new Map<string, StoredObject>()
  /** Asked for each request. */
  intervene: (request: FakeRequest) => Intervention | undefined = () => undefined
  /** Added to each Date header. */
  clockOffsetMs = 0
  /** Answers take so long, so that requests that are made together overlap. */
  latencyMs = 0
  readonly #server: Server
  readonly #uploads = new Map<string, Map<number, Buffer>>()
  #port = 0
  #nextUpload = 1

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error))
      })
    })
  }

  static async start(): Promise<FakeS3> {
    const fake = new FakeS3()
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve))
    fake.#port = (fake.#server.address() as AddressInfo).port
    return fake
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Uploads that were neither completed nor dropped. */
  get openUploads(): number {
    return this.#uploads.size
  }

  /** Requests as `PUT /bucket/key`, for comparing. */
  get lines(): string[] {
    return this.requests.map((r) => `${r.method} ${r.path}`)
  }

  /** Forgets everything. */
  reset(): void {
    this.intervene = () => undefined
    this.clockOffsetMs = 0
    this.latencyMs = 0
    this.requests.length = 0
    this.objects.clear()
    this.#uploads.clear()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.endpoint)
    const startedMs = performance.now()
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const request: FakeRequest = {
      method: incoming.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(chunks),
      startedMs,
      endedMs: 0,
    }
    this.requests.push(request)
    response.on('close', () => {
      request.endedMs = performance.now()
    })
    response.setHeader('date', new Date(Date.now() + this.clockOffsetMs).toUTCString())
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs))
    const what = this.intervene(request)
    if (what === 'hang') return
    if (what === 'drop') {
      incoming.socket.destroy()
      return
    }
    const answer =
      typeof what === 'object' ? refusal(what.status, what.code, what.headers) : this.#do(request)
    if (what === 'drop-answer') {
      incoming.socket.destroy()
      return
    }
    if (what === 'cut-answer') {
      const half = answer.body.subarray(0, answer.body.length >> 1)
      response.writeHead(answer.status, {
        ...answer.headers,
        'content-length': Math.max(answer.body.length, 1),
      })
      response.write(half, () => incoming.socket.destroy())
      return
    }
    const headers = { 'content-length': answer.body.length, ...answer.headers }
    response.writeHead(answer.status, headers)
    response.end(request.method === 'HEAD' ? undefined : answer.body)
  }

  #do(request: FakeRequest): Answer {
    const { method, path, query, headers, body } = request
    const id = query.get('uploadId')
    const isKey = path.indexOf('/', 1) > 0 && path.length > path.indexOf('/', 1) + 1
    if (!isKey) {
      if (method === 'POST' && query.has('delete')) return this.#deleteMany(path, body)
      return method === 'HEAD' ? ok() : this.#list(path, query)
    }
    if (method === 'POST' && query.has('uploads')) {
      const uploadId = String(this.#nextUpload++)
      this.#uploads.set(uploadId, new Map())
      return ok(
        `<InitiateMultipartUploadResult><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`,
      )
    }
    if (id !== null) return this.#multipart(request, id)
    switch (method) {
      case 'PUT':
        if (headers['if-none-match'] === '*' && this.objects.has(path)) {
          return refusal(412, 'PreconditionFailed')
        }
        this.objects.set(path, { body, modified: new Date() })
        return ok('', { etag: etag(body) })
      case 'DELETE':
        this.objects.delete(path)
        return { status: 204, headers: {}, body: Buffer.alloc(0) }
      default:
        return this.#read(path, headers.range)
    }
  }

  #multipart(request: FakeRequest, id: string): Answer {
    const parts = this.#uploads.get(id)
    if (parts === undefined) return refusal(404, 'NoSuchUpload')
    if (request.method === 'PUT') {
      parts.set(Number(request.query.get('partNumber')), request.body)
      return ok('', { etag: etag(request.body) })
    }
    if (request.method === 'DELETE') {
      this.#uploads.delete(id)
      return { status: 204, headers: {}, body: Buffer.alloc(0) }
    }
    if (request.headers['if-none-match'] === '*' && this.objects.has(request.path)) {
      return refusal(412, 'PreconditionFailed')
    }
    const named = [...request.body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)]
    const numbers = named.map((match) => Number(match[1]))
    if (numbers.length === 0 || numbers.some((n, i) => n <= (numbers[i - 1] ?? 0))) {
      return refusal(400, 'MalformedXML')
    }
    if (numbers.some((n) => !parts.has(n))) return refusal(400, 'InvalidPart')
    const body = Buffer.concat(numbers.map((n) => parts.get(n) as Buffer))
    this.objects.set(request.path, { body, modified: new Date() })
    this.#uploads.delete(id)
    return ok('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
  }

  #read(path: string, range: string | undefined): Answer {
    const object = this.objects.get(path)
    if (object === undefined) return refusal(404, 'NoSuchKey')
    const headers = { etag: etag(object.body), 'last-modified': object.modified.toUTCString() }
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '')
    if (match === null) return { status: 200, headers, body: object.body }
    const first = Number(match[1])
    if (first >= object.body.length) return refusal(416, 'InvalidRange')
    const last = Math.min(Number(match[2]), object.body.length - 1)
    const contentRange = `bytes ${first}-${last}/${object.body.length}`
    return {
      status: 206,
      headers: { ...headers, 'content-range': contentRange },
      body: object.body.subarray(first, last + 1),
    }
  }

  #list(path: string, query: URLSearchParams): Answer {
    const bucket = path.endsWith('/') ? path : `${path}/`
    const prefix = bucket + (query.get('prefix') ?? '')
    const after = query.get('continuation-token') ?? query.get('start-after')
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(bucket.length))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .filter((key) => after === null || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
    const page = keys.slice(0, 1000)
    const more = keys.length > page.length
    const contents = page.map((key) => {
      const { body, modified } = this.objects.get(bucket + key) as StoredObject
      return `<Contents><Key>${escapeXml(key)}</Key><Size>${body.length}</Size><LastModified>${modified.toISOString()}</LastModified></Contents>`
    })
    const next = more
      ? `<NextContinuationToken>${escapeXml(page.at(-1) as string)}</NextContinuationToken>`
      : ''
    return ok(
      `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
    )
  }

  #deleteMany(path: string, body: Buffer): Answer {
    const bucket = path.endsWith('/') ? path : `${path}/`
    for (const [, key] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) {
      this.objects.delete(bucket + unescapeXml(key as string))
    }
    return ok('<DeleteResult></DeleteResult>')
  }
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

function ok(body = '', headers: Record<string, string> = {}): Answer {
  return { status: 200, headers, body: Buffer.from(body) }
}

/** An error as S3 writes them, secrets of the request included, which real ones repeat. */
function refusal(status: number, code = 'Error', headers: Record<string, string> = {}): Answer {
  const text =
    code === 'none'
      ? (headers['x-body'] ?? '')
      : `<Error><Code>${code}</Code><Message>${headers['x-message'] ?? 'refused'}</Message></Error>`
  const { 'x-body': _body, 'x-message': _message, ...sent } = headers
  return { status, headers: sent, body: Buffer.from(text) }
}

function etag(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function unescapeXml(text: string): string {
  return text
    .replace(/&#x([0-9a-f]+);/gi, (_, hex: string) =>
      String.fromCodePoint(Number.parseInt(hex, 16)),
    )
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}
