/** The numbers of values, whoever chooses the values. */
import { expect, it } from 'vitest'
import { ByteDictionary } from '../../../examples/pipeline/byte-dictionary.ts'
import { startCpuTimer } from '../../support/cpu-time.ts'

const codeOf = (dictionary: ByteDictionary, text: string): number => {
  const bytes = Buffer.from(text)
  return dictionary.code(bytes, 0, bytes.length)
}

it('numbers values in the order in which they come', () => {
  const dictionary = new ByteDictionary()
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5000; i++) expect(codeOf(dictionary, `v${i}`)).toBe(i)
  }
  expect(dictionary.text(4999)).toBe('v4999')
  const bytes = Buffer.from('xv17yv5000')
  expect(dictionary.find(bytes, 1, 4)).toBe(17)
  expect(dictionary.find(bytes, 5, 10)).toBe(-1)
  expect(dictionary.values).toHaveLength(5000)
})

it('is not held up by values that have one hash in a function that is known', () => {
  // Of FNV-1a: one word for the other, at any place, leaves the hash of the whole as it is.
  const pairs = [['7yzx', 'e6ad'], ...Array.from({ length: 13 }, () => ['33zx', 'epad'])]
  const hashOf = (text: string): number =>
    Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5)
  const nameOf = (i: number): string => pairs.map((pair, place) => pair[(i >> place) & 1]).join('')
  expect(new Set([0, 1, 77, 16_383].map((i) => hashOf(nameOf(i)))).size).toBe(1)
  const dictionary = new ByteDictionary()
  const cpuMs = startCpuTimer()
  for (let i = 0; i < 2 ** pairs.length; i++) {
    codeOf(dictionary, nameOf(i))
  }
  expect(dictionary.values).toHaveLength(2 ** pairs.length)
  expect(cpuMs()).toBeLessThan(1000)
})
