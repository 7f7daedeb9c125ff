/** The one error class: kinds, codes, brand, context. */
import { describe, expect, it } from 'vitest'
import {
  abortedError,
  assert,
  ERROR_CODES,
  type ErrorCode,
  FloeError,
  isFloeError,
  throwIfAborted,
} from '../../src/core/errors.ts'
import { errorOf } from '../support/expect-error.ts'

const KINDS = [
  'conflict',
  'unknown-outcome',
  'not-found',
  'already-exists',
  'invalid-argument',
  'invalid-data',
  'unsupported',
  'unavailable',
  'limit',
  'aborted',
  'closed',
  'internal',
]

describe('FloeError', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s has its kind and says its code', (code) => {
    const error = new FloeError(code, 'What failed')
    expect(error.kind).toBe(ERROR_CODES[code])
    expect(KINDS).toContain(error.kind)
    expect(error.message).toBe(`What failed [${code}]`)
    expect(error.name).toBe('FloeError')
    expect(error).toBeInstanceOf(Error)
    expect(error.retryable).toBe(error.kind === 'unavailable' && code !== 'PERMISSION_DENIED')
  })

  it('lets its thrower say whether to retry', () => {
    expect(new FloeError('STORE_FULL', 'x', { retryable: false }).retryable).toBe(false)
    expect(new FloeError('COMMIT_CONFLICT', 'x', { retryable: true }).retryable).toBe(true)
  })

  it('keeps cause and context, which cannot be changed', () => {
    const cause = new Error('inner')
    const context = { file: 'a', snapshotId: 2n ** 60n }
    const error = new FloeError('BAD_METADATA', 'x', { cause, context })
    expect(error.cause).toBe(cause)
    expect(error.context).toEqual(context)
    expect(Object.isFrozen(error.context)).toBe(true)
    expect('cause' in new FloeError('BAD_JSON', 'x')).toBe(false)
  })

  it('is recognised by a brand, also across copies of the package', () => {
    const error = new FloeError('BAD_JSON', 'x')
    expect(isFloeError(error)).toBe(true)
    expect(isFloeError(error, 'BAD_JSON')).toBe(true)
    expect(isFloeError(error, 'BAD_METADATA')).toBe(false)
    const copy = { code: 'BAD_JSON', [Symbol.for('floe.error')]: true }
    expect(isFloeError(copy, 'BAD_JSON')).toBe(true)
    for (const other of [new Error('x'), null, undefined, 'BAD_JSON', { code: 'BAD_JSON' }]) {
      expect(isFloeError(other)).toBe(false)
    }
    expect(Object.keys(error)).not.toContain('floe.error')
  })
})

describe('assert and abort', () => {
  it('assert throws ASSERTION_FAILED with context', () => {
    expect(() => assert(true, 'x')).not.toThrow()
    const error = errorOf('ASSERTION_FAILED', () => assert(0, 'one equals one', { row: 3 }))
    expect(error.message).toContain('one equals one')
    expect(error.context).toEqual({ row: 3 })
  })

  it('throwIfAborted throws ABORTED with the reason as its cause', () => {
    expect(() => throwIfAborted(undefined, 'A scan')).not.toThrow()
    expect(() => throwIfAborted(new AbortController().signal, 'A scan')).not.toThrow()
    const reason = new Error('enough')
    const error = errorOf('ABORTED', () => throwIfAborted(AbortSignal.abort(reason), 'A scan'))
    expect(error.cause).toBe(reason)
    expect(error.message).toContain('A scan')
    expect(abortedError(AbortSignal.abort(reason), 'A scan').retryable).toBe(false)
  })
})
