/** What bench:sla counts as committed: the records of the batch's ranges, whatever was read meanwhile. */
import { expect, it } from 'vitest'
import { ReadTimes } from '../../bench/sla-read-times.ts'

/** Records of consecutive offsets whose times are those of their offsets, in tens of milliseconds. */
function chunk(partition: number, start: number, end: number, tens = (offset: number) => offset) {
  const offsets = Float64Array.from({ length: end - start }, (_, i) => start + i)
  return { topic: 't', partition, start, offsets, timestampsMs: offsets.map((o) => tens(o) * 10) }
}
const range = (partition: number, start: number, end: number) => ({
  topic: 't',
  partition,
  start,
  end,
})

it('leaves records that were read ahead of a full batch to the next', () => {
  const times = new ReadTimes()
  times.add([chunk(0, 0, 4), chunk(1, 0, 2)])
  times.add([chunk(0, 4, 6)])
  expect(times.take([range(0, 0, 3)])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ])
  expect(times.take([range(0, 3, 6), range(1, 0, 1)])).toEqual([
    [3, 1],
    [4, 1],
    [5, 1],
    [0, 1],
  ])
  expect(times.take([range(1, 1, 2)])).toEqual([[1, 1]])
  expect(times.take([range(0, 6, 9)])).toEqual([])
})

it('counts records that are read again once', () => {
  const times = new ReadTimes()
  times.add([chunk(0, 0, 4)])
  times.add([chunk(0, 2, 5, () => 7)])
  expect(times.take([range(0, 0, 5)])).toEqual([
    [0, 1],
    [1, 1],
    [7, 3],
  ])
})

it('goes by offsets where some of them have no record', () => {
  const times = new ReadTimes()
  const offsets = Float64Array.of(10, 15, 20)
  times.add([
    { topic: 't', partition: 0, start: 8, offsets, timestampsMs: Float64Array.of(1, 2, 30) },
  ])
  expect(times.take([range(0, 8, 20)])).toEqual([[0, 2]])
  expect(times.take([range(0, 20, 25)])).toEqual([[3, 1]])
})
