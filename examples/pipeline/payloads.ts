/**
 * Bodies of events. They drift as those of real programs do: with each schema version fields appear, change their type,
 * and become nested, and old versions go on being sent for a while.
 */
import stringify from 'fast-json-stable-stringify'
import type { Random } from './random.ts'

export const EVENT_TYPES = ['view', 'like', 'share', 'comment', 'completion'] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** Schema versions are counted from 1 on. */
export const SCHEMA_VERSIONS = 5

/** Bodies for each type and version; events take theirs from here. */
const POOL = 256

/** JSON texts of bodies, made once: the same for the same random numbers, with sorted keys. */
export class Payloads {
  readonly #texts: readonly string[][]

  constructor(random: Random) {
    this.#texts = EVENT_TYPES.flatMap((type) =>
      Array.from({ length: SCHEMA_VERSIONS }, (_, v) =>
        Array.from({ length: POOL }, () => stringify(payload(type, v + 1, random))),
      ),
    )
  }

  text(type: number, version: number, random: Random): string {
    const pool = this.#texts[type * SCHEMA_VERSIONS + version - 1] as string[]
    return pool[random.below(POOL)] as string
  }
}

const COUNTRIES = ['DE', 'FR', 'JP', 'BR', 'IN', 'US', 'NG', 'PL']
const SYSTEMS = ['ios', 'android', 'web', 'tv']
const COMMENTS = [
  'so good',
  'first!',
  'Das ist großartig',
  '最高です',
  'jajaja 😂😂',
  'who else is here in "2026"?',
  'part 2 please\nI can not wait',
]

function payload(type: EventType, version: number, random: Random): object {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const os = pick(SYSTEMS)
  const build = `${random.below(20)}.${random.below(10)}`
  const watchedMs = random.below(180_000)
  return {
    // A number of milliseconds, then text, then an object.
    watched:
      version < 3 ? watchedMs : version < 5 ? String(watchedMs) : { ms: watchedMs, loops: 1 },
    // A name, then an object, which gets more inside.
    device:
      version < 2
        ? os
        : { os, app: build, ...(version < 4 ? {} : { screen: { w: 1170, h: 2532, dpr: 3 } }) },
    ...(version < 2 ? {} : { country: pick(COUNTRIES) }),
    ...(version < 4
      ? {}
      : { experiments: [`feed-${random.below(4)}`, null, random.below(2) === 0] }),
    ...(type === 'comment' ? { text: pick(COMMENTS) } : {}),
    ...(type === 'share' ? { target: version < 3 ? 'link' : { kind: 'link', hops: 1 } } : {}),
  }
}
