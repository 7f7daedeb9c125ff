/** Where the tables of floe's changes lie, and how engines get at them: one entry for each kind of store. */
import { type LakeOptions, openLake } from '../../src/index.ts'
import type { CanonicalRow } from './canonical.ts'
import { ENGINES, type EngineName, type ReadRequest, read, WORK } from './client.ts'

export interface ChangePlace {
  readonly name: string
  /** The location of a lake for the suite. */
  readonly location: string
  readonly options: LakeOptions
  /** Engines of this run that are set up for the store. */
  readonly engines: readonly EngineName[]
  readonly read: (engine: EngineName, request: ReadRequest) => Promise<CanonicalRow[]>
}

export const CHANGE_PLACES: readonly ChangePlace[] = [
  {
    name: 'local files',
    location: `${WORK}/floe changes`,
    options: { durability: 'os' },
    engines: ENGINES,
    read,
  },
]

export const openPlace = (place: ChangePlace): ReturnType<typeof openLake> =>
  openLake(place.location, place.options)
