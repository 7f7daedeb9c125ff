/** Table properties with their defaults (iceberg-writer.md item 25). */
import { describe, expect, it } from 'vitest'
import {
  boolean,
  checkProperties,
  commitRetryPolicy,
  manifestMergePolicy,
  metadataCodec,
  previousVersionsMax,
  RESERVED_PROPERTIES,
  TableProperty,
  targetFileSizeBytes,
} from '../../../src/iceberg/spec/properties.ts'
import { errorOf } from '../../support/expect-error.ts'

describe('defaults (item 25)', () => {
  it('are those of the format', () => {
    expect(targetFileSizeBytes({})).toBe(512 * 1024 * 1024)
    expect(previousVersionsMax({})).toBe(100)
    expect(commitRetryPolicy({})).toEqual({
      numRetries: 4,
      minWaitMs: 100,
      maxWaitMs: 60_000,
      totalTimeoutMs: 1_800_000,
    })
    expect(manifestMergePolicy({})).toEqual({
      enabled: true,
      targetSizeBytes: 8 * 1024 * 1024,
      minCountToMerge: 100,
    })
    expect(metadataCodec({})).toBe('none')
  })
})

describe('values', () => {
  it('are honoured', () => {
    expect(targetFileSizeBytes({ [TableProperty.TARGET_FILE_SIZE]: '1024' })).toBe(1024)
    expect(
      commitRetryPolicy({
        'commit.retry.num-retries': '0',
        'commit.retry.min-wait-ms': '1',
        'commit.retry.max-wait-ms': '2',
        'commit.retry.total-timeout-ms': '3',
      }),
    ).toEqual({ numRetries: 0, minWaitMs: 1, maxWaitMs: 2, totalTimeoutMs: 3 })
    expect(manifestMergePolicy({ 'commit.manifest-merge.enabled': 'False' }).enabled).toBe(false)
    expect(metadataCodec({ 'write.metadata.compression-codec': 'GZIP' })).toBe('gzip')
    expect(boolean({ a: 'TRUE' }, 'a', false)).toBe(true)
  })

  it.each(['', 'x', '1.5', '-1', '0', '1e3', '0x10', '9007199254740993', 'Infinity', '512MB'])(
    'write.target-file-size-bytes = %j is refused by name',
    (value) => {
      const error = errorOf('BAD_ARGUMENT', () =>
        targetFileSizeBytes({ 'write.target-file-size-bytes': value }),
      )
      expect(error.context).toEqual({ property: 'write.target-file-size-bytes' })
      expect(error.message).toContain(JSON.stringify(value))
    },
  )

  it('booleans are true or false', () => {
    errorOf('BAD_ARGUMENT', () => boolean({ a: 'yes' }, 'a', true))
    errorOf('BAD_ARGUMENT', () => boolean({ a: '' }, 'a', true))
  })

  it('names on the prototype are no properties', () => {
    expect(metadataCodec(Object.create(null) as Record<string, string>)).toBe('none')
  })
})

describe('checkProperties', () => {
  it('takes what is not ours', () => {
    checkProperties({
      owner: 'x',
      'read.split.target-size': 'whatever',
      'write.format.default': '?',
    })
    checkProperties({})
  })

  it.each([...RESERVED_PROPERTIES])('refuses the reserved name %s', (name) => {
    expect(errorOf('BAD_ARGUMENT', () => checkProperties({ [name]: '1' })).context).toEqual({
      property: name,
    })
  })

  it.each([
    ['BAD_ARGUMENT', 'write.target-file-size-bytes', 'x'],
    ['BAD_ARGUMENT', 'write.metadata.previous-versions-max', 'x'],
    ['BAD_ARGUMENT', 'write.metadata.delete-after-commit.enabled', 'x'],
    ['BAD_ARGUMENT', 'commit.retry.num-retries', '-1'],
    ['BAD_ARGUMENT', 'commit.manifest.target-size-bytes', '0'],
    ['BAD_ARGUMENT', 'commit.manifest-merge.enabled', 'x'],
    ['UNSUPPORTED_CODEC', 'write.metadata.compression-codec', 'zstd'],
  ] as const)('%s for %s = %s', (code, name, value) => {
    expect(errorOf(code, () => checkProperties({ [name]: value })).context['property']).toBe(name)
  })
})
