import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  bitmapBytes,
  clearBit,
  copyBits,
  countBits,
  getBit,
  onesBitmap,
  setBit,
} from '../../../src/iceberg/columns/bitmap.ts'
import { bothValid, copyMask, liveElements } from '../../../src/iceberg/columns/validity.ts'

const bitArrays = fc.array(fc.boolean(), { maxLength: 100 })

function pack(bits: readonly boolean[]): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(bits.length))
  bits.forEach((bit, i) => {
    if (bit) setBit(bitmap, i)
  })
  return bitmap
}

function unpack(bitmap: Uint8Array, length: number): boolean[] {
  return Array.from({ length }, (_, i) => getBit(bitmap, i))
}

it('copies and counts bits from any position to any position, and touches no others', () => {
  fc.assert(
    fc.property(bitArrays, bitArrays, fc.nat(), fc.nat(), fc.nat(), (source, target, a, b, c) => {
      const from = a % (source.length + 1)
      const to = b % (target.length + 1)
      const length = c % (Math.min(source.length - from, target.length - to) + 1)
      const bitmap = pack(target)
      copyBits(pack(source), from, bitmap, to, length)
      const expected = [...target]
      expected.splice(to, length, ...source.slice(from, from + length))
      expect(unpack(bitmap, target.length)).toEqual(expected)
      expect(countBits(pack(source), from, length)).toBe(
        source.slice(from, from + length).filter(Boolean).length,
      )
    }),
    { numRuns: 500 },
  )
})

it('makes bitmaps of ones without bits behind the end', () => {
  for (let bits = 0; bits <= 20; bits++) {
    const bitmap = onesBitmap(bits)
    expect(countBits(bitmap, 0, bitmap.length * 8)).toBe(bits)
  }
  const bitmap = onesBitmap(9)
  clearBit(bitmap, 8)
  expect(unpack(bitmap, 9)).toEqual([...Array(8).fill(true), false])
})

it('intersects masks at any offset', () => {
  fc.assert(
    fc.property(bitArrays, bitArrays, fc.nat(9), fc.nat(9), (a, b, aFrom, bFrom) => {
      const length = Math.max(0, Math.min(a.length - aFrom, b.length - bFrom))
      const left = { bits: pack(a), offset: aFrom }
      const right = { bits: pack(b), offset: bFrom }
      const both = bothValid(left, right, length)
      expect(unpack(both?.bits as Uint8Array, length)).toEqual(
        Array.from({ length }, (_, i) => a[aFrom + i] === true && b[bFrom + i] === true),
      )
      expect(bothValid(left, undefined, length)).toBe(left)
      expect(unpack(copyMask(left, length), length)).toEqual(a.slice(aFrom, aFrom + length))
    }),
  )
})

it('finds the elements that only null lists cover', () => {
  const offsets = Int32Array.of(5, 7, 7, 10, 11)
  const lists = (...bits: boolean[]) => ({ bits: pack([false, ...bits]), offset: 1 })
  expect(liveElements(offsets, undefined)).toBeUndefined()
  expect(liveElements(offsets, lists(true, false, true, true))).toBeUndefined()
  const live = liveElements(offsets, lists(true, false, false, true))
  expect(unpack(live?.bits as Uint8Array, 6)).toEqual([true, true, false, false, false, true])
})
