/** What a handler is asked and what it answers, apart from HTTP connections. */
import { encodeJson, type JsonValue } from '../../core/json.ts'

export interface RestRequest {
  /** Decoded variables of the path, in order: a namespace's text, a table's name. */
  readonly variables: readonly string[]
  readonly query: URLSearchParams
  /** A header's value, undefined if it was not sent. */
  header(name: string): string | undefined
  /** The whole body of a POST; empty for other methods, where it means nothing (RFC 9110 §9.3.1). */
  readonly body: Uint8Array
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Written one after the other, empty for none. */
  readonly body: readonly Uint8Array[]
}

export type Handler = (request: RestRequest) => Promise<Answer>

export const NO_CONTENT: Answer = { status: 204, headers: {}, body: [] }

/** An answer that nobody may keep. */
export function jsonAnswer(
  status: number,
  value: JsonValue,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers },
    body: [encodeJson(value)],
  }
}
