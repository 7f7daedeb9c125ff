/** The S3 store against a server that can be made to misbehave: outcomes, repetition, secrets, memory, time. */
import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { FloeError } from '../../../src/core/errors.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { S3Store } from '../../../src/io/s3/index.ts'
import type { S3Options } from '../../../src/io/s3/options.ts'
import { loadSdk } from '../../../src/io/s3/sdk.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { storeConformance } from '../store-conformance.ts'
import { FakeS3, type Intervention } from './fake-s3.ts'

const MIB = 1024 * 1024
const KEYS = { accessKeyId: 'CANARYaccess', secretAccessKey: 'CANARYsecret' }
const RETRY = { numRetries: 3, minWaitMs: 1, maxWaitMs: 4 }
const PATH = 's3://bucket/folder/object'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let fake: FakeS3
const stores: S3Store[] = []
function newStore(options: S3Options = {}): S3Store {
  const store = new S3Store({
    endpoint: fake.endpoint,
    credentials: KEYS,
    retry: RETRY,
    partSizeBytes: 5 * MIB,
    ...options,
  })
  stores.push(store)
  return store
}

/** The interventions for the first requests that match; the others go through. */
function script(match: (line: string) => boolean, ...steps: Intervention[]): void {
  fake.intervene = (r) => {
    const line = `${r.method} ${r.path}?${r.query.toString()}`
    return match(line) ? steps.shift() : undefined
  }
}
const isPut = (line: string): boolean => line.startsWith('PUT ')
const isComplete = (line: string): boolean => /^POST .*\?uploadId=/.test(line)
const always = (what: Intervention): void => {
  fake.intervene = () => what
}

beforeAll(async () => {
  fake = await FakeS3.start()
})
afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await fake.stop()
})
beforeEach(() => fake.reset())

describe('S3 store', () => {
  let roots = 0
  storeConformance(async () => ({ store: newStore(), root: `s3://bucket/root-${roots++}` }))
})

describe('a conditional put', () => {
  it('says exists on 412, with one request', async () => {
    const store = newStore()
    expect(await store.putIfAbsent(PATH, bytes('a'))).toBe('created')
    expect(await store.putIfAbsent(PATH, bytes('b'))).toBe('exists')
    expect(fake.requests.map((r) => r.headers['if-none-match'])).toEqual(['*', '*'])
  })

  it.each<[string, Intervention]>([
    ['a dropped request', 'drop'],
    ['a dropped answer', 'drop-answer'],
    ['a cut answer', 'cut-answer'],
    ['500', { status: 500, code: 'InternalError' }],
    ['503', { status: 503, code: 'SlowDown' }],
    ['429', { status: 429, code: 'TooManyRequests' }],
    ['400 with an unknown code', { status: 400, code: 'Strange' }],
    ['404 of an upload', { status: 404, code: 'NoSuchUpload' }],
    ['no answer in time', 'hang'],
  ])('leaves the outcome open after %s and is not sent again', async (_, what) => {
    script(isPut, what)
    const store = newStore({ requestTimeoutMs: 200 })
    const error = await rejectionOf('STORE_UNAVAILABLE', store.putIfAbsent(PATH, bytes('a')))
    expect(error.message).toContain('is not known')
    expect(fake.lines).toEqual(['PUT /bucket/folder/object'])
  })

  it('tries again after 409, which decides nothing', async () => {
    const conflict = { status: 409, code: 'ConditionalRequestConflict' }
    script(isPut, conflict, conflict)
    expect(await newStore().putIfAbsent(PATH, bytes('a'))).toBe('created')
    expect(fake.requests).toHaveLength(3)
  })

  it('gives up after a bounded number of 409', async () => {
    always({ status: 409, code: 'ConditionalRequestConflict' })
    await rejectionOf('STORE_UNAVAILABLE', newStore().putIfAbsent(PATH, bytes('a')))
    expect(fake.requests).toHaveLength(8)
  })

  it('ends waiting for a 409 to pass when the signal aborts', async () => {
    const controller = new AbortController()
    fake.intervene = () => {
      if (fake.requests.length === 2) controller.abort()
      return { status: 409, code: 'ConditionalRequestConflict' }
    }
    const put = newStore().putIfAbsent(PATH, bytes('a'), { signal: controller.signal })
    await rejectionOf('ABORTED', put)
    expect(fake.requests).toHaveLength(2)
  })

  it('of a large object starts over after 409 and leaves no upload', async () => {
    script(isComplete, { status: 409, code: 'ConditionalRequestConflict' })
    const large = new Uint8Array(6 * MIB).fill(7)
    expect(await newStore().putIfAbsent(PATH, large)).toBe('created')
    expect(fake.requests.filter((r) => r.query.has('uploads'))).toHaveLength(2)
    expect(fake.openUploads).toBe(0)
    expect(fake.objects.get('/bucket/folder/object')?.body.length).toBe(6 * MIB)
  })

  it('of a large object completes once, and leaves the outcome open if that is not answered', async () => {
    script(isComplete, 'drop-answer')
    const put = newStore().putIfAbsent(PATH, new Uint8Array(6 * MIB))
    await rejectionOf('STORE_UNAVAILABLE', put)
    expect(
      fake.requests.filter((r) => r.method === 'POST' && r.query.has('uploadId')),
    ).toHaveLength(1)
  })

  it('of a large object sends parts again', async () => {
    script((line) => line.includes('partNumber=2'), { status: 503, code: 'SlowDown' }, 'drop')
    expect(await newStore().putIfAbsent(PATH, new Uint8Array(6 * MIB))).toBe('created')
    expect(fake.requests.filter((r) => r.query.get('partNumber') === '2')).toHaveLength(3)
  })
})

describe('requests that do no harm when repeated', () => {
  const failures: Intervention[] = [
    { status: 500, code: 'InternalError' },
    { status: 503, code: 'SlowDown' },
    { status: 429, code: 'TooManyRequests' },
    'drop',
    'drop-answer',
    'cut-answer',
  ]

  it.each(failures)('are repeated after %j', async (what) => {
    const store = newStore()
    await store.put(PATH, bytes('0123456789'))
    const list = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const object of store.list('s3://bucket/folder/')) found.push(object.path)
      return found
    }
    for (const [task, expected] of [
      [() => store.get(PATH), bytes('0123456789')],
      [() => store.get(PATH, { range: { offset: 2, length: 6 } }), bytes('234567')],
      [list, [PATH]],
      [() => store.put(PATH, bytes('0123456789')), undefined],
      [() => store.delete(['s3://bucket/a', 's3://bucket/b']), undefined],
      [() => store.delete(['s3://bucket/a']), undefined],
    ] as const) {
      fake.requests.length = 0
      script(() => true, what, what)
      expect(await task()).toEqual(expected)
      expect(fake.requests).toHaveLength(3)
    }
  })

  it('are given up after the retries of the policy', async () => {
    always({ status: 503, code: 'SlowDown' })
    const error = await rejectionOf('STORE_UNAVAILABLE', newStore().get(PATH))
    expect(error.message).toContain('SlowDown, HTTP 503')
    expect(error.retryable).toBe(true)
    expect(fake.requests).toHaveLength(1 + RETRY.numRetries)
  })

  it('are repeated after a timeout', async () => {
    script(() => true, 'hang')
    const store = newStore({ requestTimeoutMs: 150 })
    expect(await store.stat(PATH)).toBeNull()
    expect(fake.requests).toHaveLength(2)
  })

  it('end at once when the signal aborts, in an answer and in a wait', async () => {
    const store = newStore({ retry: { ...RETRY, minWaitMs: 60_000, maxWaitMs: 60_000 } })
    for (const what of ['hang', { status: 503, code: 'SlowDown' }] as const) {
      always(what)
      const controller = new AbortController()
      const get = store.get(PATH, { signal: controller.signal })
      setTimeout(() => controller.abort(), 50)
      await rejectionOf('ABORTED', get)
    }
  })

  it('find an object made by a completion whose answer was lost', async () => {
    script(isComplete, 'drop-answer')
    await newStore().put(PATH, new Uint8Array(6 * MIB))
    expect(fake.objects.get('/bucket/folder/object')?.body.length).toBe(6 * MIB)
  })

  it('notice bytes that were changed on the way', async () => {
    const store = newStore()
    await store.put(PATH, bytes('content'))
    const wrong = { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-body': 'other bytes' }
    always({ status: 200, code: 'none', headers: wrong })
    await rejectionOf('CHECKSUM_MISMATCH', store.get(PATH))
    expect(fake.requests.at(-1)?.headers['x-amz-checksum-mode']).toBe('ENABLED')
  })

  it('carry a CRC32 of what they put', async () => {
    const store = newStore()
    await store.put(PATH, bytes('123456789'))
    await store.putIfAbsent(`${PATH}2`, bytes('123456789'))
    // The check value of CRC-32 is 0xcbf43926.
    const sum = Buffer.from('cbf43926', 'hex').toString('base64')
    expect(fake.requests.map((r) => r.headers['x-amz-checksum-crc32'])).toEqual([sum, sum])
  })
})

describe('refusals', () => {
  it.each<[string, string, Intervention]>([
    ['403', 'PERMISSION_DENIED', { status: 403, code: 'AccessDenied' }],
    ['an unknown access key', 'PERMISSION_DENIED', { status: 403, code: 'InvalidAccessKeyId' }],
    ['an expired token', 'PERMISSION_DENIED', { status: 400, code: 'ExpiredToken' }],
    ['a missing bucket', 'NO_SUCH_BUCKET', { status: 404, code: 'NoSuchBucket' }],
    [
      'another region',
      'BAD_ARGUMENT',
      {
        status: 301,
        code: 'PermanentRedirect',
        headers: { 'x-amz-bucket-region': 'eu-central-1', location: 'http://elsewhere.invalid/' },
      },
    ],
    ['a temporary redirect', 'BAD_ARGUMENT', { status: 307, code: 'TemporaryRedirect' }],
    ['a request it does not know', 'UNSUPPORTED_STORE', { status: 501, code: 'NotImplemented' }],
    ['a full disk', 'STORE_FULL', { status: 507, code: 'XMinioStorageFull' }],
  ])('%s is %s, at once, for reads and conditional puts', async (_, code, what) => {
    always(what)
    const store = newStore()
    await rejectionOf(code as FloeError['code'], store.get(PATH))
    await rejectionOf(code as FloeError['code'], store.putIfAbsent(PATH, bytes('a')))
    expect(fake.requests).toHaveLength(2)
  })

  it('name the region of the bucket', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-central-1' }
    always({ status: 301, code: 'PermanentRedirect', headers })
    const error = await rejectionOf('BAD_ARGUMENT', newStore().stat(PATH))
    expect(error.message).toContain('Set the option s3.region to eu-central-1')
  })

  it('of keys in a batch are surfaced, and those that may pass tried again', async () => {
    const store = newStore()
    let tries = 0
    fake.intervene = (r) => {
      if (!r.query.has('delete')) return undefined
      tries++
      const failing = tries === 1 ? '<Error><Key>b</Key><Code>InternalError</Code></Error>' : ''
      const denied =
        tries === 1
          ? '<Error><Key>a</Key><Code>AccessDenied</Code><Message>CANARY</Message></Error>'
          : ''
      return answerXml(`<DeleteResult>${denied}${failing}</DeleteResult>`)
    }
    const error = await rejectionOf(
      'PERMISSION_DENIED',
      store.delete(['s3://bucket/a', 's3://bucket/b', 's3://bucket/c']),
    )
    expect(error.message).toContain(
      '1 of 3 files could not be deleted (AccessDenied): s3://bucket/a',
    )
    expect(tries).toBe(2)
    expect(fake.requests[1]?.body.toString()).toContain('<Key>b</Key>')
    expect(fake.requests[1]?.body.toString()).not.toContain('<Key>c</Key>')
  })
})

describe('listing', () => {
  it('refuses a store that lists in another order', async () => {
    const contents = ['b', 'a'].map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
    fake.intervene = () => answerXml(`<ListBucketResult>${contents.join('')}</ListBucketResult>`)
    const read = async (): Promise<void> => {
      for await (const _ of newStore().list('s3://bucket/'));
    }
    await rejectionOf('UNSUPPORTED_STORE', read())
  })

  it('does not pass off a page as the whole list', async () => {
    fake.intervene = () =>
      answerXml(
        '<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>',
      )
    const read = async (): Promise<void> => {
      for await (const _ of newStore().list('s3://bucket/'));
    }
    await rejectionOf('STORE_UNAVAILABLE', read())
  })

  it('refuses directory buckets, which have no order', async () => {
    const list = newStore().list('s3://name--euc1-az1--x-s3/folder/')
    await rejectionOf('UNSUPPORTED_STORE', list.next())
    expect(fake.requests).toHaveLength(0)
  })

  it('gives paths in the scheme that was asked for', async () => {
    const store = newStore()
    await store.put('s3a://bucket/x', bytes('x'))
    expect(await store.get('s3://bucket/x')).toEqual(bytes('x'))
    for await (const { path } of store.list('s3a://bucket/')) expect(path).toBe('s3a://bucket/x')
    await rejectionOf('BAD_LOCATION', store.get('gs://bucket/x'))
    await rejectionOf('BAD_LOCATION', store.get('s3:///x'))
    for (const path of ['s3://bucket', 's3://bucket/']) {
      await rejectionOf('BAD_LOCATION', store.get(path))
      await rejectionOf('BAD_LOCATION', store.stat(path))
      await rejectionOf('BAD_LOCATION', store.putIfAbsent(path, bytes('x')))
      await rejectionOf('BAD_LOCATION', store.openWriter(path))
    }
  })
})

describe('a writer', () => {
  it('puts a small object with one request', async () => {
    const writer = await newStore().openWriter(PATH)
    for (let i = 0; i < 5; i++) await writer.write(new Uint8Array(MIB))
    expect(fake.requests).toHaveLength(0)
    await writer.close()
    expect(fake.lines).toEqual(['PUT /bucket/folder/object'])
  })

  it('waits while enough parts are under way', async () => {
    const store = newStore({ uploadConcurrency: 2 })
    // Parts are not answered: the writer may take two, and no third before one of them ended.
    fake.intervene = (r) => (r.query.has('partNumber') ? 'hang' : undefined)
    const controller = new AbortController()
    const writer = await store.openWriter(PATH, { signal: controller.signal })
    let accepted = 0
    const fill = (async () => {
      for (;;) {
        await writer.write(new Uint8Array(MIB))
        accepted++
      }
    })()
    const outcome = fill.catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(accepted).toBe(10)
    expect(fake.requests.filter((r) => r.query.has('partNumber'))).toHaveLength(2)
    controller.abort()
    expect(await outcome).toMatchObject({ code: 'ABORTED' })
    await writer.abort()
    expect(fake.openUploads).toBe(0)
  })

  it('drops the upload when a part fails for good, and shows nothing', async () => {
    fake.intervene = (r) =>
      r.query.get('partNumber') === '2' ? { status: 403, code: 'AccessDenied' } : undefined
    const writer = await newStore().openWriter(PATH)
    const write = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) await writer.write(new Uint8Array(5 * MIB))
      await writer.close()
    }
    await rejectionOf('PERMISSION_DENIED', write())
    await writer.abort()
    expect(fake.openUploads).toBe(0)
    expect(fake.objects.size).toBe(0)
  })
})

describe('time', () => {
  it('is that of the last answer, without a request', async () => {
    const store = newStore()
    fake.clockOffsetMs = -3_600_000
    await store.stat(PATH)
    fake.requests.length = 0
    expect(Math.abs((await store.now()) - (Date.now() - 3_600_000))).toBeLessThan(2_000)
    expect(fake.requests).toHaveLength(0)
  })

  it('is carried on by the monotonic clock, and asked for when that was long ago', async () => {
    let monotonic = 0
    const store = new S3Store(
      { endpoint: fake.endpoint, credentials: KEYS, retry: RETRY },
      { ...systemRuntime, monotonicMs: () => monotonic },
    )
    stores.push(store)
    await store.stat(PATH)
    const first = await store.now()
    monotonic += 60_000
    expect(await store.now()).toBe(first + 60_000)
    monotonic += 16 * 60_000
    fake.requests.length = 0
    expect(Math.abs((await store.now()) - Date.now())).toBeLessThan(2_000)
    expect(fake.lines).toEqual(['HEAD /bucket/'])
  })

  it('of a refusal is as good', async () => {
    always({ status: 403, code: 'AccessDenied' })
    expect(Math.abs((await newStore().now()) - Date.now())).toBeLessThan(2_000)
    expect(fake.requests).toHaveLength(1)
  })
})

describe('secrets', () => {
  const secrets = {
    accessKeyId: 'CANARYaccessKeyId',
    secretAccessKey: 'CANARYsecretAccessKey',
    sessionToken: 'CANARYsessionToken',
  }
  /** Everything that a log could make of a value. */
  const printed = (value: unknown): string =>
    [
      inspect(value, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(value) ?? '',
      String(value),
      value instanceof Error
        ? `${value.stack} ${inspect(value.cause, { depth: 20, showHidden: true })}`
        : '',
    ].join('\n')
  const leaks = /CANARY|AWS4-HMAC|x-amz-signature|authorization/i

  it.each<[string, Intervention]>([
    ['403', { status: 403, code: 'SignatureDoesNotMatch' }],
    ['500', { status: 500, code: 'InternalError' }],
    ['501', { status: 501, code: 'NotImplemented' }],
    ['301', { status: 301, code: 'PermanentRedirect' }],
    ['400', { status: 400, code: 'CANARY secretAccessKey=CANARY' }],
    ['404', { status: 404, code: 'NoSuchKey' }],
    ['a dropped connection', 'drop'],
    ['a cut answer', 'cut-answer'],
    ['a timeout', 'hang'],
  ])('are in no error after %s', async (_, given) => {
    const message = `AWS4-HMAC-SHA256 Credential=${secrets.accessKeyId} X-Amz-Signature=CANARY`
    const what = typeof given === 'object' ? { ...given, headers: { 'x-message': message } } : given
    always(what)
    const store = newStore({
      credentials: secrets,
      requestTimeoutMs: 100,
      retry: { ...RETRY, numRetries: 0 },
    })
    const path = `${PATH}?X-Amz-Signature=CANARY&X-Amz-Credential=CANARY`
    const errors = await Promise.all(
      [
        store.get(path),
        store.put(path, bytes('x')),
        store.putIfAbsent(path, bytes('x')),
        store.delete([path]),
        store.delete([path, `${path}2`]),
      ].map((task) =>
        task.then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    )
    expect(errors.filter((error) => error !== undefined).length).toBeGreaterThanOrEqual(3)
    for (const error of errors) expect(printed(error)).not.toMatch(leaks)
    expect(fake.requests[0]?.headers.authorization).toContain(secrets.accessKeyId)
  })

  it('are not in the store, its options or an error of the function that gives them', async () => {
    const store = newStore({ credentials: secrets })
    await store.stat(PATH)
    expect(printed(store)).not.toMatch(leaks)
    const failing = newStore({
      credentials: () => Promise.reject(new Error(`vault said ${secrets.secretAccessKey}`)),
    })
    const error = await rejectionOf('PERMISSION_DENIED', failing.get(PATH))
    expect(printed(error)).not.toMatch(leaks)
  })

  it.each([
    { endpoint: 'http://CANARY:CANARY@127.0.0.1' },
    { endpoint: 'http://127.0.0.1/?X-Amz-Signature=CANARY' },
    { endpoint: 'CANARY' },
    { credentials: { accessKeyId: 'CANARY', secretAccessKey: '' } },
    { partSizeBytes: 1 },
    { maxSockets: 0 },
    { retry: { numRetries: -1 } },
    { retry: { retries: 3 } } as S3Options,
    { CANARYsecret: 1 } as S3Options,
  ])('are in no complaint about options (%#)', async (options) => {
    const name = Object.keys(options)[0] as string
    let error: unknown
    try {
      newStore(options as S3Options)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT' })
    // An option's name is the caller's own text; its value is what must not be repeated.
    expect(printed(error).replaceAll(name, '')).not.toMatch(leaks)
  })
})

describe('the client', () => {
  it('sends no more requests at once than maxSockets', async () => {
    const store = newStore({ maxSockets: 3 })
    let running = 0
    let most = 0
    fake.intervene = () => {
      running = fake.requests.filter((other) => other.endedMs === 0).length
      most = Math.max(most, running)
      return undefined
    }
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => store.put(`${PATH}${i}`, new Uint8Array(100_000))),
    )
    expect(most).toBeLessThanOrEqual(3)
    expect(fake.requests).toHaveLength(40)
  })

  it('frees the place of a request that was aborted while it waited', async () => {
    const store = newStore({ maxSockets: 1 })
    always('hang')
    const [first, second] = [new AbortController(), new AbortController()]
    const hanging = store.get(PATH, { signal: first.signal })
    const waiting = store.get(PATH, { signal: second.signal })
    second.abort()
    await rejectionOf('ABORTED', waiting)
    first.abort()
    await rejectionOf('ABORTED', hanging)
    fake.intervene = () => undefined
    expect(await store.stat(PATH)).toBeNull()
  })

  it('is closed once and for all', async () => {
    const store = newStore()
    await store.stat(PATH)
    await store.close()
    await store.close()
    await rejectionOf('HANDLE_CLOSED', store.get(PATH))
    await rejectionOf('HANDLE_CLOSED', store.putIfAbsent(PATH, bytes('x')))
    const unused = newStore()
    await unused.close()
    await rejectionOf('HANDLE_CLOSED', unused.stat(PATH))
  })

  it('says which settings are missing', async () => {
    const names = Object.keys(process.env).filter((name) => name.startsWith('AWS_'))
    for (const name of names) vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent/config')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent/credentials')
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    try {
      const options = { retry: RETRY }
      const noRegion = new S3Store({ ...options, credentials: KEYS })
      const noKeys = new S3Store({ ...options, endpoint: fake.endpoint })
      stores.push(noRegion, noKeys)
      const region = await rejectionOf('BAD_ARGUMENT', noRegion.get(PATH))
      expect(region.message).toContain('s3.region')
      const keys = await rejectionOf('PERMISSION_DENIED', noKeys.get(PATH))
      expect(keys.message).toContain('s3.credentials')
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('says what to install when the SDK is missing', async () => {
    const missing = Object.assign(new Error("Cannot find package '@aws-sdk/client-s3'"), {
      code: 'ERR_MODULE_NOT_FOUND',
    })
    const error = await rejectionOf(
      'UNSUPPORTED_STORE',
      loadSdk(() => Promise.reject(missing)),
    )
    expect(error.message).toContain('npm install @aws-sdk/client-s3')
  })
})

/** An answer of 200 with this body. */
function answerXml(xml: string): Intervention {
  return { status: 200, code: 'none', headers: { 'x-body': xml } }
}
