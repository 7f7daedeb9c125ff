/**
 * Protects servers of the loopback interface from web pages: a page can make its own name point to 127.0.0.1 and so
 * have a browser ask this server (DNS rebinding). The browser still sends that name as Host, so only names of the
 * loopback interface are served.
 */

/** True if the address is of the loopback interface. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/** True if a Host header (`name`, `name:port`, `[::1]:port`) names the loopback interface. */
export function isLoopbackHostHeader(header: string | undefined): boolean {
  if (header === undefined) return false
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d*)?$/.exec(header.trim())
  const name = match?.[1] ?? match?.[2]
  return name !== undefined && isLoopbackHost(name)
}
