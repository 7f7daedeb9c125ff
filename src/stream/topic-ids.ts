/** Which topics offsets are of: one that was deleted and made anew has its name again, and another id. streaming.md §5, 21. */
import { FloeError } from '../core/errors.ts'

/** Ids by name; undefined for a topic whose source has none to tell. */
export type TopicIds = ReadonlyMap<string, string | undefined>

export const NO_TOPIC_IDS: ReadonlyMap<string, string> = new Map()

/**
 * Compares the ids of topics that both know.
 * @param source names the source in the error.
 * @throws OFFSET_OUT_OF_RANGE naming the topic and both ids
 */
export function checkTopicIds(source: string, kept: TopicIds, found: TopicIds): void {
  for (const [topic, keptId] of kept) {
    const foundId = found.get(topic)
    if (keptId === undefined || foundId === undefined || keptId === foundId) continue
    throw new FloeError(
      'OFFSET_OUT_OF_RANGE',
      `Cannot go on reading topic ${JSON.stringify(topic)} of the source ${source}: its id is ${foundId}, and the stream has read the topic of the id ${keptId}. That one was deleted, and another one made with its name, of which the stream's offsets say nothing. Nothing is skipped. To read the new topic from its first record, have moveStream restart it; to read both, give the new topic another name`,
      { context: { topic, keptId, foundId } },
    )
  }
}
