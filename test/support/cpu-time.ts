/**
 * A limit on the work that bad input causes. The clock on the wall would also count what else the machine does meanwhile,
 * and fail where nothing is wrong.
 * @returns how many milliseconds of CPU, of all of its threads, this process has used since
 */
export function startCpuTimer(): () => number {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
}
