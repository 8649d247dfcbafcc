/** What only real sockets show; faults of Vault and of certificates are in `test/faults`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { createTransport } from '../../src/http/transport.ts'
import type { HttpRequest, Transport, TransportOptions } from '../../src/runtime.ts'
import {
  delay,
  freePort,
  json,
  rawServer,
  scriptedServer,
  type ScriptedServer,
  type Scripts,
} from '../faults/scripted-server.ts'
import { socketRuntime } from '../faults/world.ts'
import { loopbackCert, type Certificate } from '../real/servers/pki.ts'

const OPENSSL = spawnSync('openssl', ['version']).status === 0
const directory = mkdtempSync(join(tmpdir(), 'secretmanager-transport-'))
let certificate: Certificate

beforeAll(async () => {
  if (OPENSSL) certificate = await loopbackCert(directory)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function serving(scripts: Scripts, tls = true): Promise<ScriptedServer> {
  const options = tls ? { cert: certificate.certPem, key: certificate.keyPem } : undefined
  const server = await scriptedServer(scripts, { tls: options })
  onTestFinished(() => server.close())
  return server
}

function transport(options: TransportOptions = {}): Transport {
  const opened = createTransport(options, socketRuntime())
  onTestFinished(() => opened.close())
  return opened
}

const trusting = (options: TransportOptions = {}): Transport =>
  transport({ ca: { kind: 'text', pem: certificate.caPem }, ...options })

const get = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url,
  headers: {},
  connectTimeoutMs: 10_000,
  timeoutMs: 10_000,
  ...more,
})

const ok = { 'GET /': json(200, { ok: true }) }

describe.skipIf(!OPENSSL)('a connection that is opened ahead', () => {
  test('is taken by the next request', async () => {
    const server = await serving(ok)
    const opened = trusting()
    opened.connect(server.url)
    await expect.poll(() => server.connections()).toBe(1)
    await opened.send(get(`${server.url}/`))
    expect(server.connections()).toBe(1)
  })

  test('is not opened where there is one already', async () => {
    const server = await serving(ok)
    const opened = trusting()
    await opened.send(get(`${server.url}/`))
    opened.connect(server.url)
    opened.connect(server.url)
    await opened.send(get(`${server.url}/`))
    expect(server.open.size).toBe(1)
  })

  test('is not given to a request for another server', async () => {
    const [first, second] = [await serving(ok), await serving(ok)]
    const opened = trusting()
    opened.connect(first.url)
    await expect.poll(() => first.connections()).toBe(1)
    await opened.send(get(`${second.url}/`))
    expect([first.requests.length, second.requests.length]).toEqual([0, 1])
    await opened.send(get(`${first.url}/`))
    expect(first.connections()).toBe(1)
  })

  test('that the server closed costs nothing', async () => {
    const server = await serving(ok)
    const opened = trusting()
    opened.connect(server.url)
    await expect.poll(() => server.connections()).toBe(1)
    for (const socket of server.open) socket.destroy()
    await expect.poll(() => server.open.size).toBe(0)
    expect((await opened.send(get(`${server.url}/`))).status).toBe(200)
  })

  test('ends with the transport', async () => {
    const server = await serving(ok)
    const opened = trusting()
    opened.connect(server.url)
    await expect.poll(() => server.connections()).toBe(1)
    opened.close()
    await expect.poll(() => server.open.size).toBe(0)
  })

  test('V2: that never speaks TLS costs the limit of a connection', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const opened = trusting()
    opened.connect(url)
    const connected = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))
    await expect.poll(connected).toBe(1)
    const sending = opened.send(get(`${url}/`, { connectTimeoutMs: 100, timeoutMs: 2000 }))
    await expect(sending).rejects.toMatchObject({
      kind: 'timeout',
      message: 'no connection within 100 ms',
    })
    expect(await connected()).toBe(1)
  })

  test('is not opened anew after close, when more trusted CAs are found only then', async () => {
    const server = await serving(ok)
    let found = (_pem: Uint8Array): void => undefined
    const store = new Promise<Uint8Array>((resolve) => (found = resolve))
    let asked = 0
    const runtime = {
      ...socketRuntime({}, { SSL_CERT_FILE: '/store' }),
      readFile: (): Promise<Uint8Array> => {
        asked += 1
        return store
      },
    }
    const opened = createTransport({}, runtime)
    opened.connect(server.url)
    await expect.poll(() => asked).toBe(1)
    const before = server.connections()
    opened.close()
    found(Buffer.from(certificate.caPem))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(server.connections()).toBe(before)
  })

  test('to nowhere is no failure', async () => {
    const opened = trusting()
    opened.connect(`https://127.0.0.1:${await freePort()}`)
    opened.connect('http://127.0.0.1:1')
    await new Promise((resolve) => setTimeout(resolve, 20))
  })
})

describe('a request that waits for one of the few connections', () => {
  const queued = async (more: Partial<HttpRequest>): Promise<unknown> => {
    const server = await serving({ 'GET /': () => undefined }, false)
    const opened = transport()
    const busy = Array.from({ length: 16 }, () => opened.send(get(`${server.url}/`)))
    for (const sending of busy) sending.catch(() => undefined)
    await expect.poll(() => server.requests.length).toBe(16)
    return opened.send(get(`${server.url}/`, more))
  }

  test('V2: has the limit of an attempt', async () => {
    await expect(queued({ timeoutMs: 50 })).rejects.toMatchObject({ kind: 'timeout' })
  })

  test('ends at once with its signal', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 100)
    const sending = queued({ signal: controller.signal })
    await expect(sending).rejects.toMatchObject({ kind: 'aborted' })
  })
})

describe('kept connections', () => {
  test('one serves many requests', async () => {
    const server = await serving(ok, false)
    const opened = transport()
    for (let n = 0; n < 5; n += 1) await opened.send(get(`${server.url}/`))
    expect(server.connections()).toBe(1)
  })

  test('a request that must not be sent twice is not, when the kept connection dies under it', async () => {
    const server = await serving(
      { ...ok, 'POST /once': ({ socket }) => void socket.resetAndDestroy() },
      false,
    )
    const opened = transport()
    await opened.send(get(`${server.url}/`))
    const request = get(`${server.url}/once`, { method: 'POST', once: true })
    await expect(opened.send(request)).rejects.toMatchObject({ kind: 'unreachable' })
    expect(server.to('POST /once')).toHaveLength(1)
  })

  test('after close nothing is sent', async () => {
    const server = await serving(ok, false)
    const opened = transport()
    opened.close()
    await expect(opened.send(get(`${server.url}/`))).rejects.toMatchObject({ kind: 'aborted' })
    expect(server.connections()).toBe(0)
  })
})

describe('an abort', () => {
  test.each([
    ['before the answer', delay(500, json(200, {}))],
    [
      'within the answer',
      ({ response }: { response: http.ServerResponse }) => void response.writeHead(200).write('{'),
    ],
  ])('%s ends the request and its connection', async (_name, step) => {
    const server = await serving({ 'GET /': step }, false)
    const controller = new AbortController()
    const sending = transport().send(get(`${server.url}/`, { signal: controller.signal }))
    const aborting = async (): Promise<void> => {
      await expect.poll(() => server.requests.length).toBe(1)
      controller.abort()
    }
    await Promise.all([expect(sending).rejects.toMatchObject({ kind: 'aborted' }), aborting()])
    await expect.poll(() => server.open.size).toBe(0)
  })
})

describe.skipIf(!OPENSSL)('a proxy', () => {
  interface Proxy {
    readonly url: string
    /** What it was asked to connect to. */
    readonly asked: readonly string[]
    readonly open: ReadonlySet<Socket>
  }

  async function proxyThat(answers: 'connects' | 'hangs' | 'forges' | 407): Promise<Proxy> {
    const asked: string[] = []
    const open = new Set<Socket>()
    const server = http.createServer()
    server.on('connection', (socket: Socket) => {
      open.add(socket)
      socket.on('error', () => undefined).on('close', () => open.delete(socket))
    })
    server.on('connect', ({ url = '', headers }: http.IncomingMessage, socket: Socket): unknown => {
      asked.push(`${url} ${headers['proxy-authorization'] ?? ''}`.trim())
      if (answers === 'hangs') return socket.on('end', () => socket.destroy()).resume()
      if (answers === 407) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      if (answers === 'forges')
        return socket.end('HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}')
      const [host = '', port] = url.split(':')
      const through = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        through.pipe(socket).pipe(through)
      })
      through.on('error', () => socket.destroy())
      return socket.on('close', () => through.destroy())
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    onTestFinished(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, open }
  }

  test('is asked to connect, and the certificate is checked through it', async () => {
    const server = await serving(ok)
    const proxy = await proxyThat('connects')
    const answer = await trusting({ proxy: proxy.url }).send(get(`${server.url}/`))
    expect(answer.status).toBe(200)
    expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`])
    const untrusting = transport({ proxy: proxy.url }).send(get(`${server.url}/`))
    await expect(untrusting).rejects.toMatchObject({ kind: 'tls' })
    expect(server.requests).toHaveLength(1)
  })

  test.each([
    ['that refuses', 407],
    ["that answers in the server's name", 'forges'],
  ] as const)('I12: %s is a failure, not an answer', async (_name, answers) => {
    const server = await serving(ok)
    const proxy = await proxyThat(answers)
    const sending = trusting({ proxy: proxy.url }).send(get(`${server.url}/`))
    await expect(sending).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('the proxy refused to connect'),
    })
    expect(server.connections()).toBe(0)
    await expect.poll(() => proxy.open.size).toBe(0)
  })

  test('is given its own credentials, and they are in no message', async () => {
    const proxy = await proxyThat(407)
    const url = proxy.url.replace('//', '//user:CANARY%20password@')
    const sending = trusting({ proxy: url }).send(get('https://vault.example:8200/'))
    await expect(sending).rejects.toMatchObject({ message: expect.not.stringContaining('CANARY') })
    const pair = Buffer.from('user:CANARY password').toString('base64')
    expect(proxy.asked).toEqual([`vault.example:8200 Basic ${pair}`])
  })

  test('is given credentials that are not percent-encoded as they are', async () => {
    const proxy = await proxyThat(407)
    const sending = trusting({ proxy: proxy.url.replace('//', '//user:100%@') }).send(
      get('https://vault.example:8200/'),
    )
    await expect(sending).rejects.toMatchObject({ kind: 'unreachable' })
    const pair = Buffer.from('user:100%').toString('base64')
    expect(proxy.asked).toEqual([`vault.example:8200 Basic ${pair}`])
  })

  test('is asked once for many requests in turn', async () => {
    const server = await serving(ok)
    const proxy = await proxyThat('connects')
    const opened = trusting({ proxy: proxy.url })
    for (let n = 0; n < 3; n += 1) await opened.send(get(`${server.url}/`))
    expect(proxy.asked).toHaveLength(1)
  })

  test('that does not answer costs one limit, and its connection ends', async () => {
    const server = await serving(ok)
    const proxy = await proxyThat('hangs')
    const opened = trusting({ proxy: proxy.url })
    const sending = opened.send(get(`${server.url}/`, { timeoutMs: 100, connectTimeoutMs: 100 }))
    await expect(sending).rejects.toMatchObject({ kind: 'timeout' })
    opened.close()
    await expect.poll(() => proxy.open.size).toBe(0)
  })

  test('that is away', async () => {
    const proxy = `http://127.0.0.1:${await freePort()}`
    const server = await serving(ok)
    const sending = trusting({ proxy }).send(get(`${server.url}/`))
    await expect(sending).rejects.toMatchObject({ kind: 'unreachable', causeClass: 'ECONNREFUSED' })
  })
})

describe('bodies and headers', () => {
  test('a body is sent in UTF-8 with its length', async () => {
    const server = await serving({ 'POST /': json(200, {}) }, false)
    const body = JSON.stringify({ a: 'äöü€' })
    await transport().send(get(`${server.url}/`, { method: 'POST', body }))
    expect(server.requests[0]).toMatchObject({
      body,
      headers: { 'content-length': String(Buffer.byteLength(body)) },
    })
  })

  test('a name that speaks another protocol', async () => {
    const server = await rawServer((socket) => void socket.end('220 smtp.example ESMTP\r\n'))
    onTestFinished(() => server.close())
    const sending = transport().send(get(server.url.replace('https:', 'http:')))
    await expect(sending).rejects.toMatchObject({ kind: 'broken' })
  })
})

test('a CA file of a relative path that is missing is told in full', async () => {
  const opened = transport({ ca: { kind: 'file', path: 'absent.crt' } })
  await expect(opened.send(get('https://127.0.0.1:1/'))).rejects.toMatchObject({
    code: 'SM_FILE_UNREADABLE',
    message: `cannot read the certificate file ${join(process.cwd(), 'absent.crt')}`,
  })
})
