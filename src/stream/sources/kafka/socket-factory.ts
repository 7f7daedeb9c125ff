/** The sockets of kafkajs: all of a reader can be cut off at once, and one leak of them is stopped. */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** As kafkajs has it. */
const KEEP_ALIVE_MS = 60_000

export class SocketFactory {
  readonly #open = new Set<Socket>()
  #isSevered = false

  /**
   * A factory whose sockets can be unreferenced after they are closed. kafkajs does so for each connection of a broker in
   * each try to reach it again, and Node keeps a listener for each time: a broker that stayed away left one for each try.
   */
  with(create: ISocketFactory = createSocket): ISocketFactory {
    return (options) => {
      if (this.#isSevered) throw new Error('the reader was closed')
      const socket = create(options)
      this.#open.add(socket)
      socket.once('close', () => {
        this.#open.delete(socket)
        socket.unref = () => socket
      })
      return socket
    }
  }

  /**
   * Destroys all sockets, and makes no more. Requests under way fail at once: kafkajs would wait for their answers, which
   * a broker that stands still does not give, and would keep the process from ending for as long.
   */
  sever(): void {
    this.#isSevered = true
    for (const socket of this.#open) socket.destroy(new Error('the reader was closed'))
  }
}

/** The default of kafkajs, which it does not give out. */
function createSocket({ host, port, ssl, onConnect }: Parameters<ISocketFactory>[0]): Socket {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket = ssl
    ? connectTls({ host, port, ...name, ...ssl }, onConnect)
    : connect({ host, port }, onConnect)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}
