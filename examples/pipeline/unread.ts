/** What a run leaves in the topic. */
import { systemRuntime } from 'floe'
import { Position, type StreamSource } from 'floe/stream'

/** How long a topic may take to say how far it is: somebody waits for the end. */
const ANSWER_MS = 5000

/** Records from a position to the ends of the topic; undefined where the source does not say, as when it has gone. */
export async function unreadRecords(
  source: StreamSource,
  position: Position = Position.EMPTY,
): Promise<number | undefined> {
  try {
    const reader = await source.open({
      position,
      topicIds: new Map(),
      maxRecordBytes: Number.MAX_SAFE_INTEGER,
      bufferBytes: 1,
      runtime: systemRuntime,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    try {
      const next = reader.nextOffsets()
      const ends = [...(await reader.endOffsets()).entries()]
      return ends.reduce(
        (sum, { topic, partition, offset }) => sum + offset - (next.get(topic, partition) ?? 0),
        0,
      )
    } finally {
      await reader.close()
    }
  } catch {
    return undefined
  }
}
