import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { createAuthority } from '../../src/dev/certificates.ts'
import { type Served, type ServeOptions, serve } from '../../src/dev/serve.ts'
import type { Handler } from '../../src/dev/transport.ts'

describe('serve', () => {
  const open: Served[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((served) => served.close()))
  })

  async function start(handle: Handler, options: ServeOptions = {}): Promise<Served> {
    const served = await serve(handle, options)
    open.push(served)
    return served
  }

  test('hands over method, path, query, headers and body, and the answer', async () => {
    const { url } = await start(async (request) => {
      const told = [request.method, request.url, request.headers.get('x-a'), await request.text()]
      return Response.json(told, { status: 201, headers: { 'x-b': 'b' } })
    })
    const answer = await ask(
      url,
      '/p/a%2Fb?q=1',
      { method: 'PATCH', headers: { 'x-a': 'a' } },
      'body',
    )
    expect(answer).toMatchObject({ status: 201, headers: { 'x-b': 'b' } })
    expect(JSON.parse(answer.body)).toEqual(['PATCH', `${url}/p/a%2Fb?q=1`, 'a', 'body'])
  })

  test('a path that begins with two slashes names no other host', async () => {
    const { url } = await start(async (request) => new Response(request.url))
    expect((await ask(url, '//evil.example/x')).body).toBe(`${url}//evil.example/x`)
  })

  test.each([204, 304])('%i goes without a body', async (status) => {
    const { url } = await start(async () => new Response(null, { status }))
    expect(await ask(url, '/')).toMatchObject({ status, body: '' })
  })

  test.each([
    ['a proxy request', 'http://elsewhere.example/', 'GET'],
    ['a method that fetch forbids', '/', 'TRACE'],
  ])('%s is a bad request', async (_case, path, method) => {
    const { url } = await start(async () => new Response('reached'))
    expect(await ask(url, path, { method })).toMatchObject({ status: 400 })
  })

  test('a handler that fails: 500 that tells nothing, and the next request works', async () => {
    const { url } = await start(async (request) => {
      if (request.url.endsWith('/bad')) throw new Error('secret detail')
      return new Response('good')
    })
    expect(await ask(url, '/bad')).toMatchObject({ status: 500, body: 'internal error\n' })
    expect(await ask(url, '/good')).toMatchObject({ status: 200, body: 'good' })
  })

  test('sends head and chunks of a stream when they are there, and tells when the client leaves', async () => {
    const { body, write, left } = handStream()
    const { url } = await start(async (request) => {
      request.signal.addEventListener('abort', left.resolve)
      return new Response(body)
    })
    const request = http.get(url)
    const [response]: http.IncomingMessage[] = await once(request, 'response')
    write('one')
    expect(String((await once(response ?? request, 'data'))[0])).toBe('one')
    write('two')
    expect(String((await once(response ?? request, 'data'))[0])).toBe('two')
    request.destroy()
    await left.promise
  })

  test('a stream that fails in the middle ends the connection', async () => {
    const { body, write, fail } = handStream()
    const { url } = await start(async () => new Response(body))
    const request = http.get(url)
    const [response]: http.IncomingMessage[] = await once(request, 'response')
    write('one')
    await once(response ?? request, 'data')
    const failed = once(response ?? request, 'error')
    fail()
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  test.each([
    ['http', undefined],
    ['https', createAuthority().issue({ hosts: [], addresses: ['127.0.0.1'] })],
  ])(
    'over %s, close ends requests under way and bare connections, and frees the port',
    async (scheme, tls) => {
      const { body, left } = handStream()
      const served = await start(async () => new Response(body), { tls })
      expect(served.url).toBe(`${scheme}://127.0.0.1:${served.port}`)
      const bare = net.connect(served.port, '127.0.0.1')
      await once(bare, 'connect')
      const ended = once(bare, 'close')
      if (tls === undefined) {
        const request = http.get(served.url)
        await once(request, 'response')
        request.on('error', left.resolve)
        request.on('close', left.resolve)
      } else left.resolve()
      await served.close()
      await Promise.all([ended, left.promise, served.close()])
      await start(async () => new Response(''), { port: served.port })
    },
  )

  test('a port that is taken is a configuration error', async () => {
    const { port } = await start(async () => new Response(''))
    await expect(serve(async () => new Response(''), { port })).rejects.toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: `cannot listen on 127.0.0.1:${port}`,
      causeClass: 'EADDRINUSE',
    })
  })
})

interface Hand {
  readonly body: ReadableStream<Uint8Array>
  readonly left: { readonly promise: Promise<void>; readonly resolve: () => void }
  write(text: string): void
  fail(): void
}

/** A stream that the test feeds by hand. */
function handStream(): Hand {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given
    },
  })
  return {
    body,
    left: { promise, resolve: () => resolve() },
    write: (text) => controller?.enqueue(Buffer.from(text)),
    fail: () => controller?.error(new Error('broken')),
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

function ask(
  url: string,
  path: string,
  options: http.RequestOptions = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const headers = { ...options.headers, ...length }
    const request = http.request(
      { ...options, hostname, port, path, headers, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: text }),
        )
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
