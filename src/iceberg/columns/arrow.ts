/**
 * The one place that loads apache-arrow. It takes about 100 ms, so it happens on first use and never at import;
 * everywhere else apache-arrow is imported for its types alone.
 */
import type * as ArrowModule from 'apache-arrow'
import { assert } from '../../core/errors.ts'

/** The module apache-arrow: its classes, makeData, enums. */
export type Arrow = typeof ArrowModule

let loaded: Arrow | undefined

/** Loads apache-arrow. Every asynchronous entry point that builds Arrow objects awaits this first. */
export async function loadArrow(): Promise<Arrow> {
  loaded ??= await import('apache-arrow')
  return loaded
}

/**
 * The module for synchronous code that runs below an entry point which awaited {@link loadArrow}.
 * @throws ASSERTION_FAILED if nobody did.
 */
export function arrow(): Arrow {
  assert(loaded !== undefined, 'apache-arrow is loaded before columns are built')
  return loaded
}
