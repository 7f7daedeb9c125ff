/** The endpoints of namespaces. A lake knows the namespaces that hold tables; those above them are there too. */
import { type Answer, type Handler, jsonAnswer, NO_CONTENT } from './answer.ts'
import { lakeNamespace, levelsOf } from './names.ts'
import type { ServedLake } from './options.ts'
import { pageOf } from './page.ts'
import { noSuchNamespace } from './rest-error.ts'

/** GET /v1/namespaces: those right below a parent, or the outermost ones. */
export function listNamespaces(lake: ServedLake): Handler {
  return async ({ query }): Promise<Answer> => {
    const text = query.get('parent') ?? ''
    const parent = text === '' ? [] : levelsOf(text)
    const all = await lake.listNamespaces()
    const prefix = parent.map((level) => `${level}.`).join('')
    if (parent.length > 0 && !exists(all, parent)) throw noSuchNamespace(parent)
    const below = new Set<string>()
    for (const name of all) {
      if (!name.startsWith(prefix)) continue
      const end = name.indexOf('.', prefix.length)
      below.add(end < 0 ? name : name.slice(0, end))
    }
    const page = pageOf([...below].sort(), query, `namespaces ${prefix}`)
    return jsonAnswer(200, {
      namespaces: page.items.map((name) => name.split('.')),
      'next-page-token': page.nextPageToken,
    })
  }
}

/** GET /v1/namespaces/{namespace}. Lakes keep no properties of namespaces: null, as the specification has it. */
export function loadNamespace(lake: ServedLake): Handler {
  return async ({ variables }): Promise<Answer> => {
    const levels = await existingNamespace(lake, variables[0] as string)
    return jsonAnswer(200, { namespace: [...levels], properties: null })
  }
}

/** HEAD /v1/namespaces/{namespace} */
export function namespaceExists(lake: ServedLake): Handler {
  return async ({ variables }): Promise<Answer> => {
    await existingNamespace(lake, variables[0] as string)
    return NO_CONTENT
  }
}

/** The levels of a namespace that exists now. @throws RestError 404 */
export async function existingNamespace(
  lake: ServedLake,
  text: string,
): Promise<readonly string[]> {
  const levels = levelsOf(text)
  if (!exists(await lake.listNamespaces(), levels)) throw noSuchNamespace(levels)
  return levels
}

function exists(all: readonly string[], levels: readonly string[]): boolean {
  const name = lakeNamespace(levels)
  if (name === undefined) return false
  return all.some((other) => other === name || other.startsWith(`${name}.`))
}
