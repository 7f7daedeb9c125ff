/** What all processes on one store have in common: the order of their calls, requests that are on their way, the trace. */
import { assert, isFloeError } from '../core/errors.ts'
import type { Fault, FaultKind, StoreCall } from './fault.ts'
import { ProcessDiedError } from './process-died.ts'

/** A call that was made. */
export interface TracedCall extends StoreCall {
  readonly fault: FaultKind | undefined
  /**
   * `ok`, `created`, `exists`, the code of an error, or `died`; `pending` until it ends. A request that arrived late
   * has a line of its own, with `late` before its outcome.
   */
  readonly outcome: string
}

export class SharedState {
  readonly trace: TraceLine[] = []
  /** Calls of all processes. */
  calls = 0
  #late: LateRequest[] = []

  record(call: StoreCall): TraceLine {
    const line: TraceLine = { ...call, fault: undefined, outcome: 'pending' }
    if (this.trace.length >= TRACE_CALLS) this.trace.splice(0, TRACE_CALLS / 10)
    this.trace.push(line)
    return line
  }

  /** Keeps a request until it is due. */
  later(call: StoreCall, fault: Fault, hold: (() => () => Promise<unknown>) | undefined): void {
    assert(hold !== undefined, `${call.verb} can be carried out late`)
    const due = this.calls + (fault.afterCalls ?? DEFAULT_AFTER_CALLS)
    this.#late.push({ due, call, kind: fault.kind, carryOut: hold() })
  }

  /** Carries out what is due at a call, in the order in which it was sent. */
  async arrive(now: number): Promise<void> {
    const due = this.#late.filter((request) => request.due <= now)
    if (due.length === 0) return
    this.#late = this.#late.filter((request) => request.due > now)
    for (const { call, kind, carryOut } of due) {
      const line = this.record(call)
      line.fault = kind
      try {
        const answer = await carryOut()
        line.outcome = `late ${typeof answer === 'string' ? answer : 'ok'}`
      } catch (error) {
        line.outcome = `late ${outcomeOf(error)}`
      }
    }
  }
}

/** Lines of a trace that are kept. */
const TRACE_CALLS = 100_000

const DEFAULT_AFTER_CALLS = 3

type TraceLine = { -readonly [K in keyof TracedCall]: TracedCall[K] }

interface LateRequest {
  /** Arrives before the call of this number. */
  readonly due: number
  readonly call: StoreCall
  readonly kind: FaultKind
  readonly carryOut: () => Promise<unknown>
}

/** How a call ended, for the trace. */
export function outcomeOf(error: unknown): string {
  if (error instanceof ProcessDiedError) return 'died'
  return isFloeError(error) ? error.code : String(error)
}
