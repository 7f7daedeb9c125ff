/** The job: each batch of the topic goes into Bronze and Gold, in one commit with the position that the topic was read to. */
import type { Lake } from 'floe'
import { KeyedState, type StreamOptions, type StreamRun, stream } from 'floe/stream'
import {
  BRONZE,
  BRONZE_PARTITIONS,
  BRONZE_PROPERTIES,
  BRONZE_SCHEMA,
  bronzeBatches,
} from './bronze.ts'
import {
  type FoldCounts,
  foldEvents,
  GOLD,
  GOLD_SCHEMA,
  goldBatch,
  type VideoState,
  videoState,
} from './gold.ts'

/** Names the stream in its tables. */
export const STREAM_ID = 'virality'

export interface Job {
  readonly run: StreamRun
  /** What became of the committed events of this run in Gold. */
  readonly folded: Readonly<FoldCounts>
}

/** Makes the tables where they are missing, and starts the stream where they say that it was. */
export async function startJob(
  options: { readonly lake: Lake } & Omit<StreamOptions, 'lake' | 'id' | 'tables' | 'foreachBatch'>,
): Promise<Job> {
  await createTables(options.lake)
  const videos = new KeyedState<VideoState>({ table: GOLD, key: 'video_id', decode: videoState })
  const folded: FoldCounts = { folded: 0, ignored: 0, ahead: 0 }
  const run = stream({
    ...options,
    id: STREAM_ID,
    tables: [BRONZE, GOLD],
    foreachBatch: async (batch, tx) => {
      const rows = bronzeBatches(batch)
      const fold = async (): Promise<void> => {
        // A table that has these records already is passed over, and so is its state.
        if (!tx.writes(GOLD)) return
        const states = await videos.open(tx)
        const counts = foldEvents(states, rows)
        await tx.upsert(GOLD, goldBatch(states.changed()))
        tx.onCommit(() => {
          folded.folded += counts.folded
          folded.ignored += counts.ignored
          folded.ahead += counts.ahead
        })
      }
      // Files of one table are encoded and synced while those of the other are made.
      await Promise.all([tx.append(BRONZE, rows), fold()])
    },
  })
  return { run, folded }
}

async function createTables(lake: Lake): Promise<void> {
  await lake.createTable(BRONZE, BRONZE_SCHEMA, {
    partitionBy: BRONZE_PARTITIONS,
    properties: BRONZE_PROPERTIES,
    ifNotExists: true,
  })
  await lake.createTable(GOLD, GOLD_SCHEMA, { formatVersion: 3, ifNotExists: true })
}
