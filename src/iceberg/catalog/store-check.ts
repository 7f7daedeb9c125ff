/** Proof that a store's put-if-absent is what it says: by race when a lake is created, by refusal at each open. */
import { FloeError } from '../../core/errors.ts'
import { type Runtime, uuidV4 } from '../../core/runtime.ts'
import type { ObjectStore } from '../../io/store.ts'

const ROUNDS = 16
const RACERS = 4
/** Large enough that a store which looks first and writes then takes its time in between. */
const RACE_BYTES = 16 * 1024
const encoder = new TextEncoder()

/**
 * 16 rounds of 4 racing puts on one key each: exactly one must win, and its bytes must be what is stored. A store
 * that answers single puts correctly can still fail this. A round catches such a store in two of three cases, if its
 * requests are really under way together: so their connections are opened first.
 * @throws UNSUPPORTED_STORE
 */
export async function proveAtomicPut(
  store: ObjectStore,
  folder: string,
  runtime: Runtime,
): Promise<{ readonly rounds: number; readonly racers: number }> {
  const paths: string[] = []
  const run = uuidV4(runtime)
  const racers = Array.from({ length: RACERS }, (_, racer) => racer)
  try {
    await Promise.all(racers.map((racer) => store.stat(`${folder}/probe-${run}-${racer}`)))
    for (let round = 0; round < ROUNDS; round++) {
      const path = `${folder}/probe-${run}-${round}`
      paths.push(path)
      const results = await Promise.all(
        racers.map((racer) => store.putIfAbsent(path, raceBytes(racer), { durability: 'os' })),
      )
      const winners = results.flatMap((result, racer) => (result === 'created' ? [racer] : []))
      const stored = await store.get(path)
      const won = raceBytes(winners[0] ?? RACERS)
      if (winners.length !== 1 || Buffer.compare(stored, won) !== 0) {
        throw unsafe(
          `of ${RACERS} racing puts on one key ${winners.length} were told that they won, in round ${round + 1} of ${ROUNDS}`,
        )
      }
    }
  } finally {
    await store.delete(paths).catch(() => undefined)
  }
  return { rounds: ROUNDS, racers: RACERS }
}

/**
 * Checks that a put on an existing key is refused, with a key of its own so that nothing is at stake.
 * @throws UNSUPPORTED_STORE
 */
export async function checkPutRefused(store: ObjectStore, folder: string): Promise<void> {
  const path = `${folder}/probe`
  const bytes = encoder.encode('put-if-absent on this object must be refused\n')
  if ((await store.putIfAbsent(path, bytes)) === 'exists') return
  if ((await store.putIfAbsent(path, bytes)) === 'exists') return
  throw unsafe('it accepts a put-if-absent on an object that exists')
}

function raceBytes(racer: number): Uint8Array {
  return new Uint8Array(RACE_BYTES).fill(racer)
}

function unsafe(why: string): FloeError {
  return new FloeError(
    'UNSUPPORTED_STORE',
    `This store cannot hold a lake that is written to: ${why}. Commits of two writers could overwrite each other. Use another store, or open the lake with readOnly: true`,
  )
}
