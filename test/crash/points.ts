/** Where a command can die: before each thing that it waits for, and once that took effect. */
import type { Runtime } from '../../src/runtime.ts'

/** What is waited for. */
export type Effect = 'send' | 'sleep' | 'read'

/** A moment at which a process can be killed. `after`: the answer arrived, and nobody has seen it. */
export interface Point {
  readonly effect: Effect
  readonly moment: 'before' | 'after'
  readonly what: string
}

/** Told of each point; the command goes on when it resolves. */
export type Reach = (point: Point) => Promise<void>

/** The same world, where `reach` is told of every point. */
export function pointed(runtime: Runtime, reach: Reach): Runtime {
  const around = async <T>(effect: Effect, what: string, work: () => Promise<T>): Promise<T> => {
    await reach({ effect, moment: 'before', what })
    const result = await work()
    await reach({ effect, moment: 'after', what })
    return result
  }
  return {
    ...runtime,
    sleep: (ms, signal) => around('sleep', `${ms} ms`, () => runtime.sleep(ms, signal)),
    readFile: (path) => around('read', path, () => runtime.readFile(path)),
    transport: (options) => {
      const transport = runtime.transport(options)
      return {
        connect: (url) => transport.connect(url),
        close: () => transport.close(),
        send: (request) => {
          const what = `${request.method} ${new URL(request.url).pathname}`
          return around('send', what, () => transport.send(request))
        },
      }
    },
  }
}

/** The way a point is named in a report. */
export function nameOf({ effect, moment, what }: Point): string {
  return `${moment} ${effect} ${what}`
}
