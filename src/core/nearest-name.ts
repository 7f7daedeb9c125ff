/** The known name that somebody who mistyped one probably meant. */

const MAX_LENGTH = 64
const MAX_NAMES = 1000

/** The nearest of the names, ignoring case; undefined if none is near. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  if (name.length > MAX_LENGTH) return undefined
  const wanted = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of names.slice(0, MAX_NAMES)) {
    if (candidate.length > MAX_LENGTH) continue
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions and substitutions that turn one text into the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const shifted = Math.min(previous[j] as number, current[j - 1] as number) + 1
      current.push(Math.min(substituted, shifted))
    }
    previous = current
  }
  return previous[b.length] as number
}
