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
  // FNV-1a: words of which two lead from the hash before to the same one, for each of 14 places.
  const step = (hash: number, text: string): number => {
    let next = hash
    for (const byte of Buffer.from(text)) next = Math.imul(next ^ byte, 0x01000193)
    return next
  }
  let hash = 0x811c9dc5 | 0
  const pairs: [string, string][] = []
  for (let place = 0; place < 14; place++) {
    const seen = new Map<number, string>()
    for (let i = 0; pairs.length === place; i++) {
      const text = i.toString(36).padStart(6, '0')
      const next = step(hash, text)
      const other = seen.get(next)
      if (other !== undefined) {
        pairs.push([other, text])
        hash = next
      } else seen.set(next, text)
    }
  }
  const dictionary = new ByteDictionary()
  const cpuMs = startCpuTimer()
  for (let i = 0; i < 2 ** pairs.length; i++) {
    codeOf(dictionary, pairs.map((pair, place) => pair[(i >> place) & 1]).join(''))
  }
  expect(dictionary.values).toHaveLength(2 ** pairs.length)
  expect(cpuMs()).toBeLessThan(1000)
})
