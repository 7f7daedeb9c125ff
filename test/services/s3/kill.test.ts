/** SIGKILL of a writer on an S3 server (reliability suite S4). `FLOE_KILLS=1000` does it more often. */
import { describe, expect, it } from 'vitest'
import { KILLS, killRounds } from '../../crash/kill-rounds.ts'
import { HAS_S3, newBucket, s3Options, s3Url } from './servers.ts'

describe.runIf(HAS_S3)('a writer to S3', () => {
  it(
    `killed ${KILLS} times loses nothing and leaves nothing half done`,
    async () => {
      const seed = Number(process.env['FLOE_KILL_SEED'] ?? Date.now() % 1_000_000)
      const endpoint = s3Url('versitygw')
      const location = `s3://${await newBucket(endpoint)}/lake`
      console.log(`replay with: FLOE_KILL_SEED=${seed}`)
      const result = await killRounds({
        location,
        operation: 'changes',
        kills: KILLS,
        seed,
        lake: { s3: s3Options(endpoint) },
      })
      console.log(result)
      expect(result.acknowledged).toBeGreaterThan(KILLS)
    },
    60_000 + KILLS * 10_000,
  )
})
