/**
 * What can go wrong with one call to a store, as the caller of an `ObjectStore` sees it. Faults are named after what
 * happens to the request, so that a test says which half of a lost answer it is about.
 */
import { FloeError } from '../core/errors.ts'

/** The calls of an `ObjectStore` and of its writers. `abort` of a writer never fails and is not among them. */
export type StoreVerb =
  | 'get'
  | 'stat'
  | 'put'
  | 'putIfAbsent'
  | 'openWriter'
  | 'writeChunk'
  | 'closeWriter'
  | 'list'
  | 'delete'
  | 'now'

/**
 * - `before`: the request is lost on its way. Nothing is done.
 * - `after-lost`: it is done, the answer is lost.
 * - `torn`: a write leaves the first half of its bytes visible, a delete does half of its paths, a list gives half of
 *   its objects; then the call fails. Stores with atomic puts never do that to an object, files without `fsync` do.
 * - `delayed`: the call fails, and what it asked for is done `afterCalls` store calls later, whoever makes them.
 * - `duplicate`: a proxy sends the request twice. The caller gets the second answer: `exists` for its own object. With
 *   `afterCalls` it gets the first, and the second request arrives so many calls later.
 * - `http-409`: ConditionalRequestConflict. Nothing is done or decided.
 * - `http-412`: the answer is `exists`, and nothing is done, though there may be no such object.
 * - `http-429`, `http-503`: the store asks for fewer requests. Nothing is done.
 * - `http-500`: the store fails after it has done what was asked.
 * - `slow`: all goes well, `delayMs` later.
 */
export type FaultKind =
  | 'before'
  | 'after-lost'
  | 'torn'
  | 'delayed'
  | 'duplicate'
  | 'http-409'
  | 'http-412'
  | 'http-429'
  | 'http-500'
  | 'http-503'
  | 'slow'

/** A fault to happen to a call. */
export interface Fault {
  readonly kind: FaultKind
  /** The process dies with this fault: this call and all later ones of it fail with `ProcessDiedError`. */
  readonly crash?: boolean
  /** For `delayed` (default 3) and `duplicate`: store calls of any process until the request arrives. */
  readonly afterCalls?: number
  /** For `slow`: wait before the request is done, in milliseconds of the store's runtime. Default 100. */
  readonly delayMs?: number
  /** What others do between the effect of the call, if it has one, and its answer. */
  readonly meanwhile?: () => Promise<void>
}

/** A call that is about to be made. */
export interface StoreCall {
  /** Name of the process that makes it. */
  readonly process: string
  /** Counts the calls of the process from 0 on. */
  readonly index: number
  readonly verb: StoreVerb
  /** Path, or prefix of a list, or the first path of a delete; empty for `now`. */
  readonly path: string
}

/** Decides which calls fail, and may do something at that moment: what it awaits happens before the call. */
export type FaultPlan = (call: StoreCall) => Fault | undefined | Promise<Fault | undefined>

/** The faults that a call can have; any other is refused with BAD_ARGUMENT. */
export function faultsOf(verb: StoreVerb): readonly FaultKind[] {
  return FAULTS[verb]
}

const READ: readonly FaultKind[] = ['before', 'http-429', 'http-500', 'http-503', 'slow']
const WRITE: readonly FaultKind[] = [...READ, 'after-lost', 'torn', 'delayed']
const FAULTS: Readonly<Record<StoreVerb, readonly FaultKind[]>> = {
  get: READ,
  stat: READ,
  now: READ,
  list: [...READ, 'torn'],
  put: [...WRITE, 'duplicate'],
  putIfAbsent: [...WRITE, 'duplicate', 'http-409', 'http-412'],
  delete: [...WRITE, 'duplicate'],
  openWriter: READ,
  writeChunk: READ,
  closeWriter: WRITE,
}

/** Refuses a fault that the call cannot have. @throws BAD_ARGUMENT */
export function checkFault(fault: Fault, call: StoreCall): void {
  if (FAULTS[call.verb].includes(fault.kind)) return
  throw new FloeError(
    'BAD_ARGUMENT',
    `The fault "${fault.kind}" cannot happen to ${call.verb}. Use one of ${FAULTS[call.verb].join(', ')}`,
  )
}
