/** The sockets of kafkajs, with one leak of it stopped. */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** As kafkajs has it. */
const KEEP_ALIVE_MS = 60_000

/**
 * A factory whose sockets can be unreferenced after they are closed. kafkajs does so for each connection of a broker in
 * each try to reach it again, and Node keeps a listener for each time: a broker that stayed away left one for each try.
 */
export function socketFactory(create: ISocketFactory = createSocket): ISocketFactory {
  return (options) => {
    const socket = create(options)
    socket.once('close', () => {
      socket.unref = () => socket
    })
    return socket
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
