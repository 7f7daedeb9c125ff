/** A plan of random faults that a seed repeats. */
import { FloeError } from '../core/errors.ts'
import { type Fault, type FaultKind, type FaultPlan, faultsOf, type StoreCall } from './fault.ts'
import { seededRandom } from './seeded-random.ts'

export interface SeededFaultsOptions {
  readonly seed: number
  /** Share of the calls that fail, from 0 to 1. Default 0.1. */
  readonly rate?: number
  /** Faults to choose from, where the call can have them. Default: all but `torn`, which stores with atomic puts never do. */
  readonly kinds?: readonly FaultKind[]
  /** Share of the faults that kill the process, from 0 to 1. Default 0. */
  readonly crashRate?: number
  /** Most faults in all; then calls go through. Default: no end. */
  readonly maxFaults?: number
  /** Most calls that a `delayed` request or a late `duplicate` takes to arrive. Default 20. */
  readonly maxAfterCalls?: number
  /** Longest wait of `slow`, in milliseconds. Default 1000. */
  readonly maxDelayMs?: number
  /** Calls that may fail. Default: all. */
  readonly only?: (call: StoreCall) => boolean
}

/** Random faults: the same seed and the same calls give the same faults. @throws BAD_ARGUMENT for a rate outside 0 to 1 */
export function seededFaults(options: SeededFaultsOptions): FaultPlan {
  const { rate = 0.1, crashRate = 0, kinds = ATOMIC_STORE_FAULTS } = options
  for (const [name, value] of Object.entries({ rate, crashRate })) {
    if (!(value >= 0 && value <= 1)) {
      throw new FloeError('BAD_ARGUMENT', `The ${name} of faults must be from 0 to 1, not ${value}`)
    }
  }
  const random = seededRandom(options.seed)
  const upTo = (max: number): number => 1 + Math.floor(random() * max)
  let left = options.maxFaults ?? Number.POSITIVE_INFINITY
  return (call): Fault | undefined => {
    if (left <= 0 || options.only?.(call) === false || random() >= rate) return undefined
    const possible = faultsOf(call.verb).filter((kind) => kinds.includes(kind))
    const kind = possible[Math.floor(random() * possible.length)]
    if (kind === undefined) return undefined
    left--
    return {
      kind,
      crash: random() < crashRate,
      delayMs: upTo(options.maxDelayMs ?? 1000),
      ...(kind === 'delayed' || (kind === 'duplicate' && random() < 0.5)
        ? { afterCalls: upTo(options.maxAfterCalls ?? 20) }
        : {}),
    }
  }
}

const ATOMIC_STORE_FAULTS: readonly FaultKind[] = [
  'before',
  'after-lost',
  'delayed',
  'duplicate',
  'http-409',
  'http-412',
  'http-429',
  'http-500',
  'http-503',
  'slow',
]
