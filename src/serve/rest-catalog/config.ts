/** GET /v1/config: what clients ask first. */
import { isFloeError } from '../../core/errors.ts'
import { jsonObject } from '../../core/json.ts'
import { comparable, parseLocation } from '../../io/location.ts'
import { type Answer, type Handler, jsonAnswer } from './answer.ts'
import type { ServedLake } from './options.ts'
import { RestError } from './rest-error.ts'

/** @param endpoints all that is served, in the words of the specification. */
export function getConfig(lake: ServedLake, endpoints: readonly string[]): Handler {
  return async ({ query }): Promise<Answer> => {
    const warehouse = query.get('warehouse') ?? ''
    if (warehouse !== '' && !isLake(lake, warehouse)) {
      throw new RestError(
        404,
        'NoSuchWarehouseException',
        'The given warehouse does not exist: this server has one lake. Leave the warehouse out, or give the location of the lake',
      )
    }
    return jsonAnswer(200, {
      defaults: jsonObject(),
      overrides: { warehouse: lake.location },
      endpoints: [...endpoints],
    })
  }
}

function isLake(lake: ServedLake, warehouse: string): boolean {
  try {
    return comparable(parseLocation(warehouse)) === comparable(lake.location)
  } catch (error) {
    if (isFloeError(error, 'BAD_LOCATION')) return false
    throw error
  }
}
