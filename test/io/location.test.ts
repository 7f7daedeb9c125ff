/** Locations and roots: what may be reached (reliability.md §3, path traversal and SSRF). */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { LocalStore } from '../../src/io/local.ts'
import { checkInside, encodeSegment, parseLocation } from '../../src/io/location.ts'
import { RootedStore } from '../../src/io/rooted-store.ts'

describe('parseLocation', () => {
  it.each([
    ['/data/lake', 'file:///data/lake'],
    ['/data/lake/', 'file:///data/lake'],
    ['file:/data/lake', 'file:///data/lake'],
    ['file:///data/lake', 'file:///data/lake'],
    ['file://localhost/data', 'file:///data'],
    ['lake', 'file:///home/me/lake'],
    ['./lake', 'file:///home/me/lake'],
    ['file:lake', 'file:///home/me/lake'],
    ['/data/my lake/100%', 'file:///data/my lake/100%'],
    ['memory://test', 'memory://test'],
    ['S3://bucket/key', 's3://bucket/key'],
    ['s3a://bucket/key/', 's3://bucket/key'],
    ['s3n://bucket', 's3://bucket'],
  ])('%s is %s', (given, expected) => {
    expect(parseLocation(given, '/home/me')).toBe(expected)
  })

  it.each([
    '',
    '../x',
    '/a/../b',
    '/a/./b',
    'file://host/a',
    's3://',
    's3:bucket',
    '/a\\b',
    '/a\0b',
    '/a\nb',
    '/a/%2e%2e/b',
    's3://bucket@evil/x',
    `/${'x'.repeat(5000)}`,
  ])('refuses %j', (given) => {
    expect(() => parseLocation(given, '/home/me')).toThrow(/BAD_LOCATION/)
  })
})

const ROOTS = ['s3://bucket/table', 'file:///warehouse/t']

describe('checkInside', () => {
  it.each([
    's3://bucket/table/data/a.parquet',
    's3a://bucket/table/data/a.parquet',
    'file:///warehouse/t/data/x=a%2Fb/f.parquet',
    'file:/warehouse/t/data/f',
    '/warehouse/t/metadata/v1.json',
    '/warehouse//t/data/f',
    'file:///warehouse/t/..a/b..c/...',
  ])('allows %s', (path) => {
    expect(() => checkInside(path, ROOTS)).not.toThrow()
  })

  it.each([
    'file:///etc/passwd',
    '/etc/passwd',
    'file:///warehouse/t/../../etc/passwd',
    'file:///warehouse/t/data/../../../etc/passwd',
    'file:///warehouse/t/%2e%2e/x',
    'file:///warehouse/t/%2E%2e/x',
    'file:///warehouse/t/.%2e/x',
    'file:///warehouse/t/..%2f..%2fetc',
    'file:///warehouse/t2/x',
    'file:///warehouse/t-other',
    'file:///warehouse',
    'file:///WAREHOUSE/t/x',
    's3://bucket/table2/x',
    's3://bucket2/table/x',
    's3://bucket@evil/table/x',
    's3://bucket/table/../x',
    's3://evil/bucket/table/x',
    'http://169.254.169.254/latest/meta-data',
    'https://bucket/table/x',
    'gs://bucket/table/x',
    'ftp://bucket/table',
    'memory://bucket/table',
    'file:///warehouse/t\\..\\x',
    'file:///warehouse/t/\0',
    'file:///warehouse/t/a\r\nb',
    'relative/t/x',
    '',
    'file://warehouse/t/x',
    '//warehouse/t/x/../../y',
    'data:text/plain,x',
    'javascript:alert(1)',
  ])('refuses %j', (path) => {
    expect(() => checkInside(path, ROOTS)).toThrow(/PATH_OUTSIDE_ROOT/)
  })
})

describe('encodeSegment', () => {
  it('leaves nothing that means something in a path', () => {
    expect(['a/b=c%d', '..', '.', 'größe', "it's", ''].map(encodeSegment)).toEqual([
      'a%2Fb%3Dc%25d',
      '%2E%2E',
      '%2E',
      'gr%C3%B6%C3%9Fe',
      'it%27s',
      '',
    ])
  })
})

describe('symbolic links', () => {
  it('may not lead out of the roots, but roots may lie behind links', async () => {
    const base = mkdtempSync(join(tmpdir(), 'floe-links-'))
    try {
      mkdirSync(join(base, 'table'))
      mkdirSync(join(base, 'outside'))
      writeFileSync(join(base, 'outside', 'secret'), 'secret')
      writeFileSync(join(base, 'table', 'plain'), 'plain')
      symlinkSync(join(base, 'outside'), join(base, 'table', 'folder'))
      symlinkSync(join(base, 'outside', 'secret'), join(base, 'table', 'file'))
      symlinkSync(join(base, 'table'), join(base, 'alias'))
      const local = new LocalStore({ runtime: systemRuntime, durability: 'os' })
      const store = new RootedStore(local, { roots: [`file://${base}/table`] })
      expect(new TextDecoder().decode(await store.get(`file://${base}/table/plain`))).toBe('plain')
      for (const name of ['folder/secret', 'file', 'folder/new']) {
        await expect(store.get(`file://${base}/table/${name}`)).rejects.toMatchObject({
          code: 'PATH_OUTSIDE_ROOT',
        })
      }
      await expect(
        store.put(`file://${base}/table/folder/x`, new Uint8Array(1)),
      ).rejects.toMatchObject({ code: 'PATH_OUTSIDE_ROOT' })
      const aliased = new RootedStore(local, { roots: [`file://${base}/alias`] })
      await aliased.get(`file://${base}/alias/plain`)
      const mapped = new RootedStore(local, {
        roots: [`file://${base}/table`],
        pathMapping: { 's3://old/t': `file://${base}/table` },
      })
      await mapped.get('s3://old/t/plain')
      await expect(mapped.get('s3://old/other')).rejects.toMatchObject({
        code: 'PATH_OUTSIDE_ROOT',
      })
    } finally {
      rmSync(base, { recursive: true, force: true })
    }
  })
})
