/** Secrets do not print, whatever prints them. */
import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { redactUrl, Secret } from '../../src/core/secret.ts'

describe('Secret', () => {
  const secret = new Secret('hunter2')

  it('gives its value on request alone', () => {
    expect(secret.reveal()).toBe('hunter2')
  })

  it.each([
    ['String', () => String(secret)],
    ['a concatenation', () => `a ${String(secret)}`],
    ['JSON.stringify', () => JSON.stringify({ secret, list: [secret] })],
    ['inspect', () => inspect({ secret }, { depth: 9, showHidden: true })],
    ['format', () => format('%s %o %j %O', secret, secret, secret, secret)],
    ['Object.entries', () => JSON.stringify(Object.entries(secret))],
    ['a copy', () => JSON.stringify(Object.assign({}, secret))],
    ['an error', () => inspect(new Error('x', { cause: secret }))],
  ])('does not show in %s', (_, print) => {
    expect(print()).not.toContain('hunter2')
  })
})

describe('redactUrl', () => {
  it.each([
    ['s3://bucket/a/b', 's3://bucket/a/b'],
    ['https://user:pass@host/a', 'https://host/a'],
    ['https://host/a?X-Amz-Signature=abc', 'https://host/a'],
    ['https://host/a#fragment', 'https://host/a'],
    ['https://u:p@ss@host/a', 'https://host/a'],
    ['/local/path', '/local/path'],
    ['https://host/a?b=1\nc', 'https://host/a'],
  ])('%s -> %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected)
  })
})
