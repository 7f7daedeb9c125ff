/** A proxy on the loopback interface that hands requests on and keeps when each was under way. */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly verb: string
  /** Path and query as sent. */
  readonly url: string
  readonly startedMs: number
  /** Infinity while it is under way. */
  endedMs: number
}

export interface CountingProxy {
  readonly endpoint: string
  /** All requests so far, in the order of their arrival. */
  readonly requests: SeenRequest[]
  stop(): Promise<void>
}

export async function startCountingProxy(upstream: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(upstream)
  const agent = new Agent({ keepAlive: true })
  const requests: SeenRequest[] = []
  const serve = (incoming: IncomingMessage, response: ServerResponse): void => {
    const seen: SeenRequest = {
      verb: incoming.method ?? '',
      url: incoming.url ?? '',
      startedMs: performance.now(),
      endedMs: Number.POSITIVE_INFINITY,
    }
    requests.push(seen)
    const onward = request(
      // The host is signed, so it goes on as the client sent it.
      { hostname, port, agent, method: seen.verb, path: seen.url, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(response)
        answer.on('end', () => {
          seen.endedMs = performance.now()
        })
      },
    )
    onward.on('error', () => response.destroy())
    incoming.pipe(onward)
  }
  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        agent.destroy()
      }),
  }
}

/**
 * The requests in groups, one after the other: those of a group were under way together. As many groups as the longest
 * chain of requests of which each began after the one before had ended.
 */
export function sequentialGroups(requests: readonly SeenRequest[]): readonly SeenRequest[][] {
  const groups: SeenRequest[][] = []
  let endedMs = Number.NEGATIVE_INFINITY
  for (const r of [...requests].sort((a, b) => a.startedMs - b.startedMs)) {
    const group = groups.at(-1)
    if (group === undefined || r.startedMs >= endedMs) {
      groups.push([r])
      endedMs = r.endedMs
    } else {
      group.push(r)
      // The chain goes on after the first of a group to end.
      endedMs = Math.min(endedMs, r.endedMs)
    }
  }
  return groups
}
