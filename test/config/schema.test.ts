import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { group, leaf, optional } from '../../src/config/check.ts'
import { parseConfig } from '../../src/config/schema.ts'
import type { SecretManagerConfig } from '../../src/config/types.ts'
import { messageOf, problemsOf } from './problems-of.ts'

const AUTH = { method: 'kubernetes', role: 'app' } as const
const VAULT = { url: 'https://vault.example:8200', auth: AUTH } as const

const withVault = (vault: object): unknown => ({ vault: { ...VAULT, ...vault } })
const withAuth = (auth: object): unknown => withVault({ auth: { ...AUTH, ...auth } })
const urlOf = (url: string): string => parseConfig(withVault({ url })).vault.url

describe('parseConfig', () => {
  test('fills in every default', () => {
    expect(parseConfig({ vault: VAULT })).toEqual({
      attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 },
      startupWaitMs: 30_000,
      cluster: 'default',
      vault: {
        url: 'https://vault.example:8200',
        namespace: undefined,
        transport: {},
        transitMount: 'transit',
        auth: {
          method: 'kubernetes',
          role: 'app',
          mount: 'kubernetes',
          audience: 'vault',
          jwtFile: undefined,
        },
        redirectHosts: [],
      },
      kubernetes: {
        kubeconfig: undefined,
        context: undefined,
        namespace: undefined,
        serviceAccount: undefined,
        mountedAt: undefined,
      },
      cache: { refreshAfterMs: 300_000, keepAtMostMs: 86_400_000, onDenied: 'keepStale' },
      legacy: false,
    })
  })

  test('takes every setting over', () => {
    const config: SecretManagerConfig = {
      source: 'kubevault',
      cluster: 'home',
      timeout: '20s',
      startup: { wait: '1m' },
      vault: {
        url: 'https://vault.example/prefix',
        namespace: 'team/a/',
        caCert: { directory: '/ca' },
        clientCert: '/tls.crt',
        clientKey: '/tls.key',
        serverName: 'vault.internal',
        proxy: 'http://user:word@proxy.example:3128/',
        transitMount: 'my/transit/',
        auth: {
          method: 'kubernetes',
          role: 'app',
          mount: '/k8s/prod/',
          audience: 'https://vault.example',
          jwtFile: '/var/run/secrets/vault/token',
        },
        redirectHosts: ['Vault-1.example:8200', '[FD00:0::1]:08200', '127.1:443'],
        allowInsecureHttp: false,
      },
      kubernetes: {
        kubeconfig: '/kube/config',
        context: 'admin@home cluster',
        namespace: 'prod',
        serviceAccount: 'app',
        mountedAt: '/secrets',
      },
      cache: { refreshAfter: '1m', keepAtMost: '168h', onDenied: 'drop' },
    }
    expect(parseConfig(config)).toEqual({
      attempt: { connectTimeoutMs: 8000, timeoutMs: 20_000 },
      startupWaitMs: 60_000,
      cluster: 'home',
      vault: {
        url: 'https://vault.example/prefix',
        namespace: 'team/a',
        transport: {
          ca: { kind: 'directory', path: '/ca' },
          clientCert: { kind: 'file', path: '/tls.crt' },
          clientKey: { kind: 'file', path: '/tls.key' },
          serverName: 'vault.internal',
          proxy: 'http://user:word@proxy.example:3128',
        },
        transitMount: 'my/transit',
        auth: { ...config.vault.auth, mount: 'k8s/prod' },
        redirectHosts: ['vault-1.example:8200', '[fd00::1]:8200', '127.0.0.1:443'],
      },
      kubernetes: config.kubernetes,
      cache: { refreshAfterMs: 60_000, keepAtMostMs: 604_800_000, onDenied: 'drop' },
      legacy: false,
    })
  })

  test.each([
    [true, undefined],
    ['/ca.pem', { kind: 'file', path: '/ca.pem' }],
    [{ directory: '/ca' }, { kind: 'directory', path: '/ca' }],
    [{ pem: '-----BEGIN CERTIFICATE-----' }, { kind: 'text', pem: '-----BEGIN CERTIFICATE-----' }],
  ])('caCert %j', (caCert, ca) => {
    expect(parseConfig(withVault({ caCert })).vault.transport.ca).toEqual(ca)
  })

  test.each([
    [1, 1],
    [100, 100],
    ['3s', 2000],
    ['1m', 24_000],
  ])('timeout %j leaves %d ms to connect', (timeout, connectTimeoutMs) => {
    expect(parseConfig({ timeout, vault: VAULT }).attempt.connectTimeoutMs).toBe(connectTimeoutMs)
  })

  test.each([
    [{}, 300_000, 86_400_000],
    [{ refreshAfter: 0 }, 0, 86_400_000],
    [{ refreshAfter: '24h' }, 86_400_000, 86_400_000],
    [{ keepAtMost: '1m' }, 60_000, 60_000],
    [{ keepAtMost: 0 }, 0, 0],
    [{ keepAtMost: '720h' }, 300_000, 2_592_000_000],
    [{ refreshAfter: '1m', keepAtMost: '1m' }, 60_000, 60_000],
    [{ onDenied: 'keepStale' }, 300_000, 86_400_000],
  ])('cache %j: refreshed after %d ms, kept for %d', (cache, refreshAfterMs, keepAtMostMs) => {
    const onDenied = 'keepStale'
    expect(parseConfig({ vault: VAULT, cache }).cache).toEqual({
      refreshAfterMs,
      keepAtMostMs,
      onDenied,
    })
  })

  test.each([
    [0, 0],
    ['720h', 2_592_000_000],
  ])('startup.wait %j is %d ms', (wait, ms) => {
    expect(parseConfig({ vault: VAULT, startup: { wait } }).startupWaitMs).toBe(ms)
  })

  test('a setting written as undefined is not written', () => {
    const config = {
      timeout: undefined,
      kubernetes: undefined,
      cache: undefined,
      vault: { ...VAULT, caCert: undefined },
    }
    expect(parseConfig(config)).toEqual(parseConfig({ vault: VAULT }))
  })

  test('reads once: later changes of the object change nothing', () => {
    const redirectHosts = ['a.example:1']
    const config = { vault: { ...VAULT, redirectHosts } }
    const settings = parseConfig(config)
    redirectHosts.push('b.example:1')
    expect(settings.vault.redirectHosts).toEqual(['a.example:1'])
  })
})

describe('G1: addresses', () => {
  test.each([
    [' https://vault.example:8200/ ', 'https://vault.example:8200'],
    ['https://vault.example///', 'https://vault.example'],
    ['HTTPS://Vault.Example:443', 'https://vault.example'],
    ['https://192.168.86.9:8200', 'https://192.168.86.9:8200'],
    ['https://[::1]:8200/', 'https://[::1]:8200'],
    ['https://[FD00:0:0::1]:8200', 'https://[fd00::1]:8200'],
    ['https://gate.example/vault/one/', 'https://gate.example/vault/one'],
    ['https://vault.example:65535', 'https://vault.example:65535'],
    ['http://localhost:8200', 'http://localhost:8200'],
    ['http://127.0.0.1:8200', 'http://127.0.0.1:8200'],
    ['http://127.8.8.8', 'http://127.8.8.8'],
    ['http://[::1]:8200', 'http://[::1]:8200'],
  ])('%j is %s', (url, expected) => {
    expect(urlOf(url)).toBe(expected)
  })

  test.each([
    ['', 'must begin with https://'],
    ['vault.example:8200', 'must begin with https://'],
    ['localhost:8200', 'must begin with https://'],
    ['unix:///run/vault.sock', 'must begin with https://'],
    ['file:///etc/passwd', 'must begin with https://'],
    ['http://vault.example:8200', 'must begin with https://'],
    ['http://127.0.0.1.example', 'must begin with https://'],
    ['http://localhost.example', 'must begin with https://'],
    ['http://[::2]:8200', 'must begin with https://'],
    ['http://0.0.0.0:8200', 'must begin with https://'],
    ['https://vault.example:65536', 'must name a host that exists, and a port up to 65535'],
    ['https://vault.example:-1', 'must name a host that exists, and a port up to 65535'],
    ['https://vault.example:', 'must name a host that exists, and a port up to 65535'],
    ['https://', 'must be visible ASCII text without spaces'],
    ['https:///path', 'must name a host that exists, and a port up to 65535'],
    ['https://[::1', 'must name a host that exists, and a port up to 65535'],
    ['https://[::g]', 'must name a host that exists, and a port up to 65535'],
    ['https://::1:8200', 'must name a host that exists, and a port up to 65535'],
    ['https://%31.example', 'must name a host that exists, and a port up to 65535'],
    ['https://999.1.1.1', 'must name a host that exists, and a port up to 65535'],
    ['https://user@vault.example', 'must not hold credentials'],
    ['https://user:word@vault.example', 'must not hold credentials'],
    ['https://good.example\\@evil.example', 'must be visible ASCII text without spaces'],
    ['https://vault.example?a=b', 'must not have a query or a fragment'],
    ['https://vault.example/#a', 'must not have a query or a fragment'],
    ['https://vault.example/a b', 'must be visible ASCII text without spaces'],
    ['https://vault\n.example', 'must be visible ASCII text without spaces'],
    ['https://vаult.example', 'must be visible ASCII text without spaces'],
    ['https://vault.example/a/../b', 'may have a path of'],
    ['https://vault.example/%2e%2e/b', 'may have a path of'],
    ['https://vault.example/a//b', 'may have a path of'],
  ])('%j is refused', (url, says) => {
    const [problem, ...more] = problemsOf(() => urlOf(url))
    expect(problem).toContain(`vault.url ${says}`)
    expect(more).toEqual([])
  })

  test('plain http abroad needs allowInsecureHttp', () => {
    const url = 'http://vault.mesh:8200'
    expect(parseConfig(withVault({ url, allowInsecureHttp: true })).vault.url).toBe(url)
    expect(problemsOf(() => urlOf(url))[0]).toContain('vault.allowInsecureHttp')
  })

  test.each([['a'], ['a:'], ['a:65536'], ['https://a:1'], ['a:1/b'], ['a b:1'], ['u@a:1'], [1]])(
    'redirect host %j is refused',
    (host) => {
      const act = (): unknown => parseConfig(withVault({ redirectHosts: ['ok:1', host] }))
      expect(problemsOf(act)).toEqual(['vault.redirectHosts[1] must be host:port'])
    },
  )

  test.each([
    ['proxy'],
    ['socks5://p:1'],
    ['http://p:1/path'],
    ['http://p:1?q'],
    ['http://p:99999'],
    ['http://p q'],
  ])('proxy %j is refused', (proxy) => {
    expect(problemsOf(() => parseConfig(withVault({ proxy })))).toEqual([
      'vault.proxy must be the address of a proxy, such as http://proxy.example:3128',
    ])
  })
})

describe('G1: what is wrong is said with its path', () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['nothing', undefined, 'it is required and must be an object'],
    ['null', null, 'it must be an object'],
    ['a text', 'x', 'it must be an object'],
    ['an array', [], 'it must be an object'],
    ['no vault', {}, 'vault is required and must be an object'],
    ['vault an array', { vault: [] }, 'vault must be an object'],
    [
      'an optional group an array',
      { vault: VAULT, kubernetes: [] },
      'kubernetes must be an object',
    ],
    ['a group null', { vault: VAULT, startup: null }, 'startup must be an object'],
    ['no url', { vault: { auth: AUTH } }, 'vault.url is required and must be an address'],
    ['no role', withVault({ auth: { method: 'kubernetes' } }), 'vault.auth.role is required and'],
    ['another source', { source: 'file', vault: VAULT }, 'source must be "kubevault"'],
    ['another method', withAuth({ method: 'ldap' }), 'vault.auth.method must be kubernetes, jwt'],
    ['no auth', { vault: { url: VAULT.url } }, 'vault.auth is required and must be an object'],
    ['auth an array', withVault({ auth: [] }), 'vault.auth must be an object'],
    ['a timeout of 0', { timeout: 0, vault: VAULT }, 'timeout must be milliseconds'],
    ['a timeout without unit', { timeout: '10', vault: VAULT }, 'timeout must be milliseconds, or'],
    ['a timeout of days', { timeout: '25h', vault: VAULT }, ', from 1 ms to 24 h'],
    ['a wait of months', { startup: { wait: '721h' }, vault: VAULT }, ', at most 30 days'],
    ['a cache as text', { cache: '5m', vault: VAULT }, 'cache must be an object'],
    ['a refresh of days', { cache: { refreshAfter: '25h' }, vault: VAULT }, ', at most 24 h'],
    ['a negative age', { cache: { keepAtMost: -1 }, vault: VAULT }, 'cache.keepAtMost must be'],
    ['an age of months', { cache: { keepAtMost: '721h' }, vault: VAULT }, ', at most 30 days'],
    [
      'a refresh after the end',
      { cache: { refreshAfter: '2m', keepAtMost: '1m' }, vault: VAULT },
      'cache.refreshAfter must not be longer than cache.keepAtMost',
    ],
    [
      'a wrong age is no short one',
      { cache: { refreshAfter: '2m', keepAtMost: 'x' }, vault: VAULT },
      'valid: cache.keepAtMost must be milli',
    ],
    [
      'another wish',
      { cache: { onDenied: 'keep' }, vault: VAULT },
      'cache.onDenied must be keepStale or drop',
    ],
    [
      'a typo within',
      { cache: { refreshafter: 1 }, vault: VAULT },
      'cache.refreshafter is not a known setting: did you mean refreshAfter?',
    ],
    ['a mount with ..', withAuth({ mount: 'a/../b' }), 'vault.auth.mount must be the mount path'],
    ['an empty mount', withVault({ transitMount: '/' }), 'vault.transitMount must be the mount'],
    ['a role as path', withAuth({ role: 'a/b' }), 'vault.auth.role must be the name of a role'],
    ['an audience of lines', withAuth({ audience: 'a\r\nb' }), 'vault.auth.audience must be vis'],
    ['a namespace of lines', withVault({ namespace: 'a\r\nb' }), 'vault.namespace must be a Vau'],
    ['an empty path', withAuth({ jwtFile: '' }), 'vault.auth.jwtFile must be a path'],
    ['caCert false', withVault({ caCert: false }), 'certificates are always verified'],
    ['caCert as text', withVault({ caCert: '-----BEGIN C' }), '{ "pem": text }'],
    [
      'caCert of two kinds',
      withVault({ caCert: { pem: 'a', directory: 'b' } }),
      'vault.caCert must',
    ],
    ['caCert with no PEM', withVault({ caCert: { pem: 'a' } }), 'vault.caCert must hold a PEM'],
    ['a cert alone', withVault({ clientCert: '/a' }), 'vault.clientCert needs vault.clientKey'],
    ['a key alone', withVault({ clientKey: '/a' }), 'vault.clientKey needs vault.clientCert'],
    [
      'a wrong cert is not a missing one',
      withVault({ clientCert: '', clientKey: '/a' }),
      'valid: vault.clientCert must be a path',
    ],
    ['a boolean as text', withVault({ allowInsecureHttp: 'true' }), 'must be true or false'],
    ['a list as text', withVault({ redirectHosts: 'a:1' }), 'vault.redirectHosts must be a list'],
    [
      'a typo',
      { vault: VAULT, kubernets: {} },
      'kubernets is not a known setting: did you mean kubernetes?',
    ],
    [
      'an old name',
      withVault({ ca_cert: true }),
      'vault.ca_cert is not a known setting: did you mean caCert?',
    ],
    ['a stranger', withVault({ zzz: 1 }), 'vault.zzz is not a known setting'],
    ['an odd key', withVault({ 'a"b\n': 1 }), 'vault."a\\"b\\n" is not a known setting'],
    [
      '__proto__',
      JSON.parse('{"vault":{"__proto__":{"x":1}}}'),
      'vault.__proto__ is not a known setting',
    ],
    ['constructor', withVault({ constructor: {} }), 'vault.constructor is not a known setting'],
  ]

  test.each(cases)('%s', (_name, config, problem) => {
    expect(messageOf(() => parseConfig(config))).toContain(problem)
  })

  test('all at once', () => {
    const config = {
      timeout: -1,
      startp: {},
      vault: { url: 'ftp://x', auth: { role: '..', mont: 'k' }, clientKey: '/k' },
      kubernetes: { namespace: 'A', serviceAccount: 7 },
    }
    const paths = problemsOf(() => parseConfig(config)).map((problem) => problem.split(' ')[0])
    expect(paths.toSorted((a = '', b = '') => a.localeCompare(b))).toEqual([
      'kubernetes.namespace',
      'kubernetes.serviceAccount',
      'startp',
      'timeout',
      'vault.auth.method',
      'vault.auth.mont',
      'vault.clientKey',
      'vault.url',
    ])
  })

  test('a file of another program does not flood the terminal', () => {
    const config = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`zz${at}`, at]))
    const problems = problemsOf(() => parseConfig(config))
    expect(problems).toHaveLength(101)
    expect(problems.at(-1)).toBe('and 4901 more problems')
  })
})

describe('I18: prototype-safe', () => {
  test('inherited settings do not count', () => {
    const config = Object.create({ timeout: '1s', vault: VAULT })
    expect(problemsOf(() => parseConfig(config))).toEqual([
      'vault is required and must be an object',
    ])
  })

  test.each([true, false])(
    'what pollutes Object.prototype counts for nothing (%s)',
    (enumerable) => {
      const value = 'http://evil:1'
      const like = { value, enumerable, configurable: true, writable: true }
      Reflect.defineProperty(Object.prototype, 'proxy', like)
      try {
        expect(parseConfig({ vault: VAULT }).vault.transport.proxy).toBeUndefined()
      } finally {
        Reflect.deleteProperty(Object.prototype, 'proxy')
      }
    },
  )

  test('objects that throw when they are read are refused', () => {
    const angry = new Proxy({}, { ownKeys: () => fail(), getOwnPropertyDescriptor: () => fail() })
    const getter = {
      get vault(): never {
        return fail()
      },
    }
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    for (const config of [angry, getter, proxy, { vault: proxy }, withVault({ caCert: angry })]) {
      expect(messageOf(() => parseConfig(config))).toContain('must be plain data')
    }
  })
})

const CANARY = 'hunter2-canary'

/** A sound configuration with anything in the place of one of its values. */
const nearlySound = fc
  .tuple(
    fc.constantFrom(
      'timeout',
      'vault',
      'vault.url',
      'vault.caCert',
      'vault.auth',
      'vault.auth.role',
      'vault.redirectHosts',
      'vault.auth.method',
      'cache',
      'cache.keepAtMost',
      'kubernetes',
      'kubernetes.namespace',
      'startup',
      'other',
    ),
    fc.oneof(
      fc.anything(),
      fc.constantFrom(`https://${CANARY}@x/`, CANARY, [CANARY], { [CANARY.length]: CANARY }),
    ),
  )
  .map(([path, value]) => {
    const config = { timeout: 1, vault: { ...VAULT, auth: { ...AUTH } }, kubernetes: {}, cache: {} }
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    const within = keys.reduce<object>((above, key) => Reflect.get(above, key), config)
    Object.defineProperty(within, last, { value, enumerable: true })
    return config
  })

describe('Q12', () => {
  test('junk is SM_CONFIG_INVALID and nothing else, and pollutes nothing', () => {
    const before = Reflect.ownKeys(Object.prototype)
    fc.assert(
      fc.property(
        fc.oneof(fc.anything({ withBigInt: true, withNullPrototype: true }), fc.jsonValue()),
        (junk) => {
          expect(messageOf(() => parseConfig(junk))).toMatch(/^the configuration is not valid: /)
        },
      ),
    )
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before)
  })

  test('one wrong value is accepted or named, and never quoted', () => {
    fc.assert(
      fc.property(nearlySound, (config) => {
        let message = ''
        try {
          parseConfig(config)
        } catch {
          message = messageOf(() => parseConfig(config))
        }
        expect(message).not.toContain(CANARY)
      }),
      { numRuns: 500 },
    )
  })

  test('what is printed as JSON means the same', () => {
    const name = fc
      .stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/)
      // Not every label that begins so decodes to a name: those are refused, as hosts.
      .filter((label) => !label.startsWith('xn--'))
    const mount = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    const config = fc.record(
      {
        timeout: fc.oneof(fc.integer({ min: 1, max: 80_000_000 }), fc.constantFrom('1s', '1h30m')),
        startup: fc.record({ wait: fc.integer({ min: 0, max: 80_000_000 }) }, { requiredKeys: [] }),
        kubernetes: fc.record(
          { namespace: name, serviceAccount: name, context: name },
          { requiredKeys: [] },
        ),
        vault: fc.record(
          {
            url: fc
              .tuple(name, fc.integer({ min: 1, max: 65_535 }))
              .map(([host, port]) => `https://${host}:${port}`),
            auth: fc.record(
              { method: fc.constant('kubernetes'), role: name, mount },
              { requiredKeys: ['method', 'role'] },
            ),
            transitMount: mount,
            redirectHosts: fc.array(name.map((host) => `${host}:8200`)),
          },
          { requiredKeys: ['url', 'auth'] },
        ),
      },
      { requiredKeys: ['vault'] },
    )
    fc.assert(
      fc.property(config, (written) => {
        expect(parseConfig(JSON.parse(JSON.stringify(written)))).toEqual(parseConfig(written))
      }),
    )
  })
})

describe('canary', () => {
  test('no value of the input appears in the error', () => {
    const bad = `${CANARY} /?#`
    const config = {
      source: bad,
      timeout: bad,
      startup: { wait: bad },
      vault: {
        url: `https://${CANARY}:${CANARY}@host/`,
        namespace: bad,
        caCert: { pem: bad },
        clientKey: bad,
        serverName: bad,
        proxy: bad,
        transitMount: bad,
        redirectHosts: [bad],
        allowInsecureHttp: bad,
        auth: { method: 'kubernetes', role: bad, mount: bad, audience: bad, token: CANARY },
      },
      cache: { refreshAfter: bad, keepAtMost: bad, onDenied: bad },
      kubernetes: { namespace: bad, serviceAccount: bad, context: [CANARY], mountedAt: '' },
    }
    const message = messageOf(() => parseConfig(config))
    expect(message).not.toContain(CANARY)
    expect(message.split('; ')).toHaveLength(23)
  })
})

test('drift between a group and its interface does not compile', () => {
  interface Shape {
    readonly a: string
    readonly b?: 1 | 2 | undefined
  }
  const of = group<Shape>()
  const a = leaf<string>(() => ({ says: 'x' }))
  const b = leaf<1 | 2>(() => ({ says: 'x' }))
  expect(of({ a, b: optional(b) })).toBeTypeOf('object')
  // @ts-expect-error a missing optional key
  of({ a })
  // @ts-expect-error a key too many
  of({ a, b: optional(b), c: a })
  // @ts-expect-error another type
  of({ a, b: optional(a) })
  // @ts-expect-error a variant too few
  of({ a, b: optional(leaf<1>(() => ({ says: 'x' }))) })
  // @ts-expect-error a variant too many
  of({ a, b: optional(leaf<1 | 2 | 3>(() => ({ says: 'x' }))) })
  // @ts-expect-error a required key that may be left out
  of({ a: optional(a), b: optional(b) })
  // @ts-expect-error an optional key that may not
  of({ a, b })
})

function fail(): never {
  throw new Error(CANARY)
}
