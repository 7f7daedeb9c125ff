/** Asserting on the errors of floe by code and context, never by message alone. */
import { expect } from 'vitest'
import { type ErrorCode, FloeError, isFloeError } from '../../src/core/errors.ts'

/** Runs the task, which must throw a FloeError of the code, and gives that error. */
export function errorOf(code: ErrorCode, task: () => unknown): FloeError {
  let result: unknown
  try {
    result = task()
  } catch (error) {
    return checked(code, error)
  }
  throw new Error(`expected ${code}, but it returned ${String(result)}`)
}

/** As {@link errorOf} for a promise. */
export async function rejectionOf(code: ErrorCode, task: Promise<unknown>): Promise<FloeError> {
  let result: unknown
  try {
    result = await task
  } catch (error) {
    return checked(code, error)
  }
  throw new Error(`expected ${code}, but it resolved to ${String(result)}`)
}

function checked(code: ErrorCode, error: unknown): FloeError {
  if (!isFloeError(error)) throw error
  expect(error).toBeInstanceOf(FloeError)
  expect(`${error.code}: ${error.message}`).toBe(`${code}: ${error.message}`)
  expect(error.message).toContain(`[${code}]`)
  return error
}
