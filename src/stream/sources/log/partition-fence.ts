/**
 * Keeps a producer that was taken for gone out of a partition, though it may go on at any moment and end a write that it
 * has under way. Its segment is ended where its whole records end, N, and the next one is begun there; what it writes from
 * then on lies behind the end, where nobody reads. A write that comes between the look for the end and the next segment
 * would be read by who has the segment open, and its offsets would be given to other records. So the end is told before
 * it is looked for once more:
 *
 * ```
 * fence    1 scan: N    2 `cut` says N    3 scan: if not N, again from 2    4 segment N appears    5 `cut` is removed
 * reader   a read bytes    b read `cut`    c list the segments    d is the file still the one of its name?    e give
 * ```
 *
 * A reader gives what lies before the cut (b) and the next segment (c). A late write W of the one before comes
 * - before the last 3: that sees it, and N lies behind it. Its records are the log's; all readers may give them;
 * - after the last 3, in offsets from N on. A reader that has seen it in (a) looks for the cut after 2. It finds that, which says
 *   N by then; or it looks after 5, thus lists after 4 and finds segment N. It gives nothing of W.
 *
 * A reader whose (a) comes before 2 has seen what 3 sees, too, whenever it goes on with b to e: what it gives, at whatever
 * time, is the log's. A segment without records is replaced by a file of the same name instead of followed (4); (d)
 * stands for (c) then. The cut may say less than what a reader has given before 2: it waits until 4. If the fence ends in
 * between, the cut stays, and is replaced at 2 by the next owner, who finds in the lock that there is a fence to end;
 * nothing was appended meanwhile. The fence of an owner that stands still itself fails at 2, 4 and 5: each is a step out of, or into,
 * its own folder, which is gone then.
 *
 * Readers do without b and c
 * - for what lies before the mark `synced`: an owner moves that after it has found the log to be its own, so before that all
 *   is seen by 1. One that comes late with it says what was so before;
 * - in the process of the producer, once that has opened the topic, thus after 5: it tells its segment.
 */
import { open } from 'node:fs/promises'
import { newSegment } from './new-segment.ts'
import type { WriterOptions } from './partition-writer.ts'
import { removeCut, setCut } from './segment-cut.ts'
import {
  lastSegment,
  SegmentIndex,
  type SegmentPlace,
  scanSegment,
  segmentPath,
} from './segments.ts'
import { syncAnew } from './sync-anew.ts'
import { unsyncedFrom } from './synced-mark.ts'
import { partitionFolder } from './topic-folder.ts'

/** @throws CORRUPT_RECORDS */
export async function fencePartition(options: WriterOptions): Promise<void> {
  const { topic, partition, sync } = options
  const folder = partitionFolder(options.log, topic.name, partition)
  const where = { topic: topic.name, partition, folder }
  const base = await lastSegment(where)
  const file = await open(segmentPath(folder, base), 'r+')
  let isCut = false
  try {
    const index = new SegmentIndex()
    const scan = (): Promise<SegmentPlace> =>
      scanSegment(file, { ...where, base }, index, Number.POSITIVE_INFINITY, 'all')
    const unsynced = await unsyncedFrom(folder, base)
    let end = await scan()
    for (;;) {
      await options.confirm()
      await setCut(folder, { base, offset: end.offset }, options)
      isCut = true
      const { offset } = end
      end = await scan()
      if (end.offset === offset) break
    }
    // A segment that another one follows is synced. What is no whole record stays: it may be about to become one.
    if (sync) await syncAnew(file, Math.min(unsynced, end.position), end.position)
    const how = end.offset === base ? 'replaced' : 'added'
    await (await newSegment(folder, end.offset, how, options)).close()
  } finally {
    // Also where the next segment was not begun: who fences then looks for the end anew.
    if (isCut) await removeCut(folder, options)
    await file.close()
  }
}
