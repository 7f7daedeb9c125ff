/** Limits: defaults, overrides, and the error that names the option to raise. */
import { describe, expect, it } from 'vitest'
import { checkLimit, DEFAULT_LIMITS, type Limits, resolveLimits } from '../../src/core/limits.ts'
import { errorOf } from '../support/expect-error.ts'

describe('limits', () => {
  it('have positive integers as defaults, which cannot be changed', () => {
    for (const value of Object.values(DEFAULT_LIMITS)) {
      expect(Number.isSafeInteger(value) && value > 0).toBe(true)
    }
    expect(Object.isFrozen(DEFAULT_LIMITS)).toBe(true)
    expect(resolveLimits()).toEqual(DEFAULT_LIMITS)
  })

  it('can each be set alone', () => {
    const limits = resolveLimits({ manifestBytes: 5 })
    expect(limits).toEqual({ ...DEFAULT_LIMITS, manifestBytes: 5 })
    expect(Object.isFrozen(limits)).toBe(true)
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null])('refuse %j', (value) => {
    errorOf('BAD_ARGUMENT', () => resolveLimits({ manifestBytes: value } as Partial<Limits>))
  })

  it.each(['manifestByte', '__proto__x', 'toString'])('refuse the unknown name %s', (name) => {
    const error = errorOf('BAD_ARGUMENT', () => resolveLimits({ [name]: 1 } as Partial<Limits>))
    expect(error.message).toContain('manifestBytes')
  })

  it('name limit, value and option when they are exceeded', () => {
    const limits = resolveLimits({ metadataBytes: 10 })
    expect(() => checkLimit(limits, 'metadataBytes', 10, 'x')).not.toThrow()
    const error = errorOf('LIMIT_EXCEEDED', () =>
      checkLimit(limits, 'metadataBytes', 11, 'The metadata file a.json'),
    )
    expect(error.context).toEqual({ limit: 'metadataBytes', value: 11, max: 10 })
    expect(error.message).toContain('The metadata file a.json')
    expect(error.message).toContain('limits.metadataBytes')
  })
})
