/** A server that was started for tests: where it listens, and how exactly that process is ended. */
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A running server. `stop` ends it and waits for its end. */
export function running(name, child, url, extra = {}) {
  const ended = new Promise((resolve) => child.on('close', resolve))
  return {
    name,
    url,
    ...extra,
    async stop() {
      child.stdin?.end()
      const timeout = sleep(10_000).then(() => child.kill('SIGKILL'))
      if (child.stdin === null) child.kill('SIGTERM')
      await Promise.race([ended, timeout])
      await ended
    },
    kill: () => child.kill('SIGKILL'),
  }
}

/** A port of the loopback interface that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
