/** Checks of options at run time: callers without types may misspell one, which would then do nothing. */
import { FloeError } from './errors.ts'
import { nearestName } from './nearest-name.ts'

/** Every name that an options type has. A name that is forgotten, or is none, does not compile. */
export type OptionNames<T> = { readonly [K in keyof T]-?: true }

/**
 * @param what for the message: `stream`, `openLake`.
 * @throws BAD_ARGUMENT for options that are no object, and for one whose name is none, with the nearest that is
 */
export function checkOptions<T extends object>(
  what: string,
  options: T,
  names: OptionNames<T>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new FloeError('BAD_ARGUMENT', `The options of ${what} have to be an object`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(names, name) || value === undefined) continue
    const known = Object.keys(names)
    const near = nearestName(name, known)
    const hint = near === undefined ? `There are ${known.join(', ')}` : `Did you mean ${near}?`
    throw new FloeError(
      'BAD_ARGUMENT',
      `There is no option ${JSON.stringify(name.slice(0, 60))} of ${what}. ${hint}`,
      { context: { option: name.slice(0, 60) } },
    )
  }
}

/** @throws BAD_ARGUMENT for a value that is not one of those that an option has */
export function checkChoice<T extends string>(
  option: string,
  value: T | undefined,
  choices: readonly T[],
): void {
  if (value === undefined || choices.includes(value)) return
  const given = JSON.stringify(value)?.slice(0, 60)
  throw new FloeError(
    'BAD_ARGUMENT',
    `The option ${option} is ${given} and has to be ${choices.map((c) => `'${c}'`).join(' or ')}`,
    { context: { option } },
  )
}
