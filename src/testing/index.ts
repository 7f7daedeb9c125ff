/**
 * Means to test what a program does when storage fails: `floe/testing`. Nothing else of floe imports it.
 *
 * @module
 */
export {
  type Fault,
  type FaultKind,
  type FaultPlan,
  faultsOf,
  type StoreCall,
  type StoreVerb,
} from './fault.ts'
export { FaultyStore, type FaultyStoreOptions } from './faulty-store.ts'
export { ProcessDiedError } from './process-died.ts'
export { scriptedFaults } from './scripted-faults.ts'
export { type SeededFaultsOptions, seededFaults } from './seeded-faults.ts'
export { seededRandom } from './seeded-random.ts'
export type { TracedCall } from './shared-state.ts'
