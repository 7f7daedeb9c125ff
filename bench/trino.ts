/** Trino's HTTP protocol, for benchmarks and tests. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface TrinoResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** As Trino's JSON has them, but for integers of more than 15 digits, which are text. */
  readonly rows: readonly (readonly unknown[])[]
}

interface Page {
  readonly nextUri?: string
  readonly columns?: TrinoResult['columns']
  readonly data?: TrinoResult['rows']
  readonly error?: {
    readonly message: string
    readonly errorName: string
    readonly failureInfo?: Failure
  }
}

interface Failure {
  readonly message?: string
  readonly cause?: Failure
}

/** What Trino refused, with the messages of all that caused it. */
export class TrinoError extends Error {}

const HEADERS = {
  'X-Trino-User': 'floe',
  'X-Trino-Time-Zone': 'UTC',
  'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
}

/** Runs a statement to its end. @throws TrinoError */
export async function queryTrino(url: string, statement: string): Promise<TrinoResult> {
  let page = await fetchPage(`${url}/v1/statement`, { method: 'POST', body: statement })
  let columns: TrinoResult['columns'] = []
  const rows: (readonly unknown[])[] = []
  for (;;) {
    if (page.error !== undefined) {
      throw new TrinoError(`${page.error.errorName}: ${causes(page.error)}`)
    }
    if (page.columns !== undefined) columns = page.columns
    for (const row of page.data ?? []) rows.push(row)
    if (page.nextUri === undefined) return { columns, rows }
    page = await fetchPage(page.nextUri, {})
  }
}

async function fetchPage(url: string, init: RequestInit): Promise<Page> {
  for (;;) {
    const response = await fetch(url, { ...init, headers: HEADERS })
    // The protocol asks to try again then.
    if (response.status >= 502 && response.status <= 504) {
      await sleep(100)
      continue
    }
    // 64-bit integers come as bare numbers, which JSON.parse would round.
    const text = (await response.text()).replace(/([[,:])(-?\d{16,})(?=[,\]}])/g, '$1"$2"')
    return JSON.parse(text) as Page
  }
}

function causes(error: NonNullable<Page['error']>): string {
  const messages = [error.message]
  for (let f = error.failureInfo?.cause; f !== undefined; f = f.cause)
    messages.push(f.message ?? '')
  return messages.join(' <- ')
}
