/** A real Redis: the distribution's `redis-server`. */
import { connect } from 'node:net'
import { requireBinary } from './binaries.ts'
import { freePort, removeDirectory, serverDirectory, startProcess } from './process.ts'

/** A Redis that runs, without persistence. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly logFile: string
  pause(): void
  resume(): void
  /** Ends and starts it on the same port: subscribers are cut off. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts a Redis on a free port. `args` are added to its command line. */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const command = requireBinary('redis')
  const directory = await serverDirectory('redis')
  const port = await freePort()
  const all = [
    '--bind',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'no',
    ...args,
  ]
  const plan = { name: 'redis', command, args: all, directory, ready: () => answersPing(port) }
  let server = await startProcess(plan)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    logFile: server.logFile,
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => {
      await server.stop()
      server = await startProcess(plan)
    },
    stop: async () => {
      await server.stop()
      await removeDirectory(directory)
    },
  }
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('data', (data: Buffer) => {
      socket.destroy()
      // -NOAUTH is an answer, too, where a password is set.
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()))
    })
  })
}
