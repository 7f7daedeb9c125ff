/** The videos with the highest scores. */
import type { Lake } from 'floe'
import { exp2 } from './exp2.ts'
import { GOLD, VIRALITY, videoState } from './gold.ts'

export interface TopVideo {
  readonly videoId: string
  /** As of the given time: the table has each score as of the last event of its video. */
  readonly score: number
  readonly velocity: number
  readonly events: number
}

/** @param nowMs in milliseconds since the epoch */
export async function topVideos(lake: Lake, count: number, nowMs: number): Promise<TopVideo[]> {
  const videos: TopVideo[] = []
  for await (const row of (await lake.table(GOLD)).scan().rows()) {
    const { score, velocity, lastMicros, counts } = videoState(row)
    const ageMs = Math.max(0, nowMs - lastMicros / 1000)
    videos.push({
      videoId: row['video_id'] as string,
      score: score * exp2(-ageMs / VIRALITY.scoreHalfLifeMs),
      velocity: velocity * exp2(-ageMs / VIRALITY.velocityHalfLifeMs),
      events: counts.reduce((sum, n) => sum + n, 0),
    })
  }
  return videos.sort((a, b) => b.score - a.score).slice(0, count)
}
