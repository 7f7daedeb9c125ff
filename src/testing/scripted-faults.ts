/** A plan of faults by the number of the call. */
import type { Fault, FaultKind, FaultPlan } from './fault.ts'

/**
 * Faults by the index of the call: `scriptedFaults({ 3: 'before', 9: { kind: 'torn', crash: true } })`.
 * Indexes count all calls of the process from 0 on.
 */
export function scriptedFaults(script: Readonly<Record<number, FaultKind | Fault>>): FaultPlan {
  const faults = new Map(
    Object.entries(script).map(([index, fault]) => [
      Number(index),
      typeof fault === 'string' ? { kind: fault } : fault,
    ]),
  )
  return ({ index }) => faults.get(index)
}
