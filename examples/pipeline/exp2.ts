/**
 * 2 to the power of x, for x from -1,000,000 to 0, by additions and multiplications alone: those have the same result on
 * every machine and in every version of Node, Math.pow need not. Off by less than 4 units of the last place.
 */
export function exp2(x: number): number {
  const whole = Math.round(x)
  if (whole < -1022) return 0
  const y = (x - whole) * Math.LN2
  // The series of e^y; |y| < 0.35, so that what is left out is less than 1e-17.
  let sum = 1
  for (let i = 0; i < INVERSES.length; i++) sum = 1 + sum * y * (INVERSES[i] as number)
  return sum * (POWERS[-whole] as number)
}

/** 1/13, 1/12 … 1. */
const INVERSES = Float64Array.from({ length: 13 }, (_, i) => 1 / (13 - i))
/** 2^-i, exact. */
const POWERS = new Float64Array(1023)
for (let i = 0, power = 1; i < POWERS.length; i++, power /= 2) POWERS[i] = power
