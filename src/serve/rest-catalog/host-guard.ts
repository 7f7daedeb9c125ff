/**
 * Protects servers of the loopback interface from web pages: a page can make its own name point to 127.0.0.1 and so
 * have a browser ask this server (DNS rebinding). The browser still sends that name as Host, so only names of the
 * loopback interface are served.
 */

/** True if the address is of the loopback interface. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/**
 * True if a Host header (`name`, `name:port`, `[::1]:port`) names the loopback interface, or is the name that the
 * server was told to listen on.
 */
export function isServedHostHeader(header: string | undefined, ownName: string): boolean {
  if (header === undefined) return false
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d*)?$/.exec(header.trim())
  const name = match?.[1] ?? match?.[2]
  if (name === undefined) return false
  return isLoopbackHost(name) || name.toLowerCase() === ownName.toLowerCase()
}
