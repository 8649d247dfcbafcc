/**
 * Stands in for `next start`, which is too large to install for a test: calls `register`, serves each
 * `app/NAME/route.ts` by the method it exports, and on SIGTERM closes its server, then ends the process
 * with 143. As there, every file of the app was bundled by itself: modules that they share are several.
 *
 * @see https://nextjs.org/docs/app/api-reference/file-conventions/route
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'

const app = join(import.meta.dirname, '../examples/nextjs')

process.env['NEXT_RUNTIME'] = 'nodejs'
const { register } = await import(join(app, 'instrumentation.mjs'))
await register()
const server = createServer((incoming, outgoing) => void answer(incoming, outgoing))
server.listen(0, '127.0.0.1', () => console.log(server.address()))
process.once('SIGTERM', () => server.close(() => process.exit(143)))

async function answer({ url = '/' }: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = new Request(`http://127.0.0.1${url}`)
  const { GET } = await import(join(app, 'app', new URL(request.url).pathname, 'route.mjs'))
  const response: Response = await GET(request)
  outgoing.writeHead(response.status, [...response.headers].flat())
  outgoing.end(await response.text())
}
