/** SIGKILL of a writer on local files (reliability suite S4). `FLOE_KILLS=1000` does it more often. */
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../support/lakes.ts'
import { KILLS, killRounds } from './kill-rounds.ts'

describe('a writer to a folder', () => {
  it(
    `killed ${KILLS} times loses nothing and leaves nothing half done`,
    async () => {
      const seed = Number(process.env['FLOE_KILL_SEED'] ?? Date.now() % 1_000_000)
      const location = `${temporaryFolder()}/lake`
      console.log(`replay with: FLOE_KILL_SEED=${seed} npx vitest run test/crash`)
      const result = await killRounds({
        location,
        operation: 'changes',
        kills: KILLS,
        seed,
        lake: {},
      })
      console.log(result)
      expect(result.acknowledged).toBeGreaterThan(KILLS)
    },
    60_000 + KILLS * 10_000,
  )
})
