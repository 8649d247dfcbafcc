import { describe, expect, test } from 'vitest'
import { loadConfig, loadDefinition } from '../../src/config/load.ts'
import { parseDefinition } from '../../src/config/definition.ts'
import { parseConfig, type Settings } from '../../src/config/schema.ts'
import type { LoadConfigOptions } from '../../src/config/types.ts'
import { fakeRuntime, systemError } from '../fake-runtime.ts'
import { listed, rejectionOf } from './problems-of.ts'

const OLD = {
  SOURCE: 'KUBEVAULT',
  kube_config: null,
  service_account: 'sa-file',
  namespace: 'ns-file',
  vault_url: 'https://file.example:8200',
  role: 'role-file',
  ca_cert: true,
}
const NATIVE = {
  vault: { url: 'https://file.example:8200', auth: { method: 'kubernetes', role: 'role-file' } },
}
const ADDR = { VAULT_ADDR: 'https://env.example:8200', VAULT_ROLE: 'role-env' }

interface World extends LoadConfigOptions {
  /** Content of `/cfg.json`. */
  readonly json?: unknown
}

function load({ json, ...options }: World): ReturnType<typeof loadConfig> {
  const files = json === undefined ? {} : { '/cfg.json': JSON.stringify(json) }
  const file = json === undefined ? options.file : '/cfg.json'
  return loadConfig({ ...options, file, env: options.env ?? {} }, fakeRuntime({ files }))
}

const settings = async (world: World): Promise<Settings> => parseConfig(await load(world))
const problems = async (world: World): Promise<string[]> => listed(await rejectionOf(load(world)))

describe('loadConfig: precedence', () => {
  test('flags win over the environment, the environment over the file', async () => {
    const flags = { 'vault.url': 'https://flag.example:8200', timeout: undefined }
    const url = async (world: World): Promise<string> => (await settings(world)).vault.url
    expect(await url({ json: NATIVE })).toBe('https://file.example:8200')
    expect(await url({ json: NATIVE, env: ADDR })).toBe('https://env.example:8200')
    expect(await url({ json: NATIVE, env: ADDR, flags })).toBe('https://flag.example:8200')
  })

  test('null for ca_cert stays the system, also where more is said than the old shape can', async () => {
    const env = { VAULT_NAMESPACE: 'team' }
    const { vault } = await settings({ json: { ...OLD, ca_cert: null }, env })
    expect(vault).toMatchObject({ namespace: 'team', transport: { ca: undefined } })
  })

  test('what is not said elsewhere stays as the file has it', async () => {
    const env = { VAULT_ADDR: 'https://env.example:8200' }
    expect((await settings({ json: NATIVE, env })).vault.auth).toMatchObject({ role: 'role-file' })
  })

  test('without a file the environment is enough', async () => {
    const { vault, legacy } = await settings({ env: ADDR })
    expect(vault).toMatchObject({
      url: 'https://env.example:8200',
      auth: { role: 'role-env', audience: 'vault' },
    })
    expect(legacy).toBe(false)
  })

  test("the process's environment is read where none is passed", async () => {
    const runtime = fakeRuntime({ env: ADDR })
    expect(await loadConfig({}, runtime)).toMatchObject({ vault: { url: ADDR.VAULT_ADDR } })
    expect(runtime.reads).toEqual([])
    expect(await rejectionOf(loadConfig({ env: {} }, runtime))).toContain('vault.url is required')
  })

  test('flags may set any setting by its path', async () => {
    const flags = { 'vault.url': 'https://v', 'vault.auth.role': 'r', 'kubernetes.namespace': 'n' }
    expect((await settings({ flags })).kubernetes.namespace).toBe('n')
  })
})

describe('loadConfig: variables', () => {
  const rows: readonly (readonly [string, Record<string, string>, object])[] = [
    [
      'BAO_ADDR first',
      { BAO_ADDR: 'https://bao', VAULT_ADDR: 'https://v' },
      { url: 'https://bao' },
    ],
    ['VAULT_ADDR over VAULT_URL', { VAULT_URL: 'https://u' }, { url: 'https://env.example:8200' }],
    ['namespace', { VAULT_NAMESPACE: 'team/a' }, { namespace: 'team/a' }],
    ['empty is unset', { VAULT_NAMESPACE: '', BAO_ADDR: '' }, { namespace: undefined }],
    [
      'CACERT over the others',
      { VAULT_CACERT: '/a', VAULT_CAPATH: '/b', VAULT_CACERT_BYTES: '-----BEGIN ' },
      { transport: { ca: { kind: 'file', path: '/a' } } },
    ],
    [
      'CACERT_BYTES over CAPATH',
      { VAULT_CAPATH: '/b', VAULT_CACERT_BYTES: '-----BEGIN ' },
      { transport: { ca: { kind: 'text', pem: '-----BEGIN ' } } },
    ],
    ['CAPATH', { BAO_CAPATH: '/b' }, { transport: { ca: { kind: 'directory', path: '/b' } } }],
    [
      'client certificate',
      { VAULT_CLIENT_CERT: '/c', VAULT_CLIENT_KEY: '/k' },
      {
        transport: {
          clientCert: { kind: 'file', path: '/c' },
          clientKey: { kind: 'file', path: '/k' },
        },
      },
    ],
    [
      'server name',
      { VAULT_TLS_SERVER_NAME: 'v.internal' },
      { transport: { serverName: 'v.internal' } },
    ],
    [
      'PROXY_ADDR over HTTP_PROXY',
      { VAULT_PROXY_ADDR: 'http://a:1', VAULT_HTTP_PROXY: 'http://b:1', HTTPS_PROXY: 'http://c:1' },
      { transport: { proxy: 'http://a:1' } },
    ],
    [
      'VAULT_HTTP_PROXY over HTTPS_PROXY, whatever NO_PROXY says',
      { VAULT_HTTP_PROXY: 'b:1', HTTPS_PROXY: 'http://c:1', NO_PROXY: '*' },
      { transport: { proxy: 'http://b:1' } },
    ],
    ['HTTPS_PROXY', { HTTPS_PROXY: 'http://c:1' }, { transport: { proxy: 'http://c:1' } }],
    [
      'NO_PROXY',
      { HTTPS_PROXY: 'http://c:1', NO_PROXY: '.example' },
      { transport: { proxy: undefined } },
    ],
    ['transit mount', { VAULT_TRANSIT_PATH: 'my-transit/' }, { transitMount: 'my-transit' }],
    ['SKIP_VERIFY=false verifies', { VAULT_SKIP_VERIFY: 'false' }, { transport: {} }],
    ['SKIP_VERIFY=0 verifies', { VAULT_SKIP_VERIFY: '0' }, { transport: {} }],
  ]
  test.each(rows)('%s', async (_name, env, vault) => {
    expect((await settings({ env: { ...ADDR, ...env } })).vault).toMatchObject(vault)
  })

  test.each([
    ['7', 7000],
    ['7s', 7000],
    ['1m30s', 90_000],
  ])('VAULT_CLIENT_TIMEOUT=%s is %d ms', async (VAULT_CLIENT_TIMEOUT, ms) => {
    const { attempt } = await settings({ env: { ...ADDR, VAULT_CLIENT_TIMEOUT } })
    expect(attempt.timeoutMs).toBe(ms)
  })

  test.each(['1', 't', 'T', 'TRUE', 'true', 'True'])(
    'VAULT_SKIP_VERIFY=%s is refused',
    async (value) => {
      expect(await problems({ env: { ...ADDR, VAULT_SKIP_VERIFY: value } })).toEqual([
        'VAULT_SKIP_VERIFY must not be true: certificates are always verified, name your CA in VAULT_CACERT',
      ])
    },
  )

  test.each(['yes', 'TrUe', ' true'])('VAULT_SKIP_VERIFY=%s is an error', async (value) => {
    expect(await problems({ env: { ...ADDR, VAULT_SKIP_VERIFY: value } })).toEqual([
      'VAULT_SKIP_VERIFY must be true or false, as Go writes them',
    ])
  })

  test('an error names the variable, and lists all of them without a value', async () => {
    const env = {
      VAULT_ADDR: 'vault-canary:8200',
      BAO_NAMESPACE: 'canary canary',
      VAULT_SKIP_VERIFY: 'canary',
      VAULT_CLIENT_TIMEOUT: 'canary',
      ROLE: 'canary/canary',
    }
    const found = await problems({ env, flags: { 'vault.auth.mount': '..canary/..' } })
    expect(found.map((problem) => problem.split(' must')[0])).toEqual([
      'VAULT_SKIP_VERIFY',
      'timeout (from VAULT_CLIENT_TIMEOUT)',
      'vault.url (from VAULT_ADDR)',
      'vault.namespace (from BAO_NAMESPACE)',
      'vault.auth.role (from ROLE)',
      'vault.auth.mount (from flags)',
    ])
    expect(found.join()).not.toContain('canary')
  })

  test('a stray NAMESPACE or ROLE does not override a file', async () => {
    const env = { NAMESPACE: 'stray', ROLE: 'stray', SERVICE_ACCOUNT: 'stray', CA_CERT: '/stray' }
    expect(await load({ json: OLD, env })).toEqual(OLD)
    const { kubernetes, vault } = await settings({ json: NATIVE, env })
    expect(vault.auth).toMatchObject({ role: 'role-file' })
    expect(kubernetes).toMatchObject({ namespace: 'stray', serviceAccount: 'stray' })
  })
})

describe("loadConfig: the original's shape", () => {
  test('a file alone comes out as it is', async () => {
    expect(await load({ json: OLD })).toEqual(OLD)
  })

  test('stays in its shape while that can say everything', async () => {
    const env = { ...ADDR, VAULT_CACERT: '/ca' }
    const flags = { 'kubernetes.serviceAccount': 'sa-flag' }
    expect(await load({ json: OLD, env, flags })).toEqual({
      ...OLD,
      vault_url: 'https://env.example:8200',
      role: 'role-env',
      ca_cert: '/ca',
      service_account: 'sa-flag',
    })
  })

  test('becomes native, with the same meaning, where more is said', async () => {
    const env = { VAULT_NAMESPACE: 'team', VAULT_CAPATH: '/ca' }
    const before = parseConfig(OLD)
    expect(await settings({ json: OLD, env })).toEqual({
      ...before,
      vault: {
        ...before.vault,
        namespace: 'team',
        transport: { ca: { kind: 'directory', path: '/ca' } },
      },
      legacy: false,
    })
  })

  test("an original's job without a file: VAULT_URL and its companions", async () => {
    const env = {
      VAULT_URL: 'https://192.168.86.9:8200',
      CA_CERT: 'True',
      ROLE: 'demo',
      SERVICE_ACCOUNT: 'default',
      NAMESPACE: 'default',
    }
    expect(await load({ env })).toEqual({
      SOURCE: 'KUBEVAULT',
      vault_url: 'https://192.168.86.9:8200',
      ca_cert: true,
      role: 'demo',
      service_account: 'default',
      namespace: 'default',
    })
    expect(await problems({ env: { ...env, CA_CERT: 'false' } })).toEqual([
      'ca_cert (from CA_CERT) must be true or the path of a PEM file: certificates are always verified',
    ])
  })

  test('an error names the old key', async () => {
    expect(
      await problems({ json: { ...OLD, role: undefined, rol: 'x' }, env: { VAULT_ADDR: 'x' } }),
    ).toEqual([
      'rol is not a known setting: did you mean role?',
      expect.stringMatching(/^vault_url \(from VAULT_ADDR\) must begin with https:\/\//),
      expect.stringMatching(/^role is required/),
    ])
  })
})

describe('loadConfig: files', () => {
  const read = (
    path: string,
    content: string | Uint8Array | Error,
  ): ReturnType<typeof loadConfig> =>
    loadConfig({ file: path, env: {} }, fakeRuntime({ files: { [path]: content } }))

  test.each(['/c.yaml', '/c.yml', '/C.YAML'])('%s is read as YAML', async (path) => {
    const yaml = 'timeout: 7s\nvault:\n  url: https://v\n  auth: { method: kubernetes, role: r }\n'
    expect(parseConfig(await read(path, yaml)).attempt.timeoutMs).toBe(7000)
  })

  test.each([
    [
      'JSON that is none',
      '/c.json',
      '{"a": canary}',
      'the configuration file "/c.json" is not valid: ',
    ],
    ['a key twice', '/c.json', '{"vault":{},"vault":"canary"}', 'is not valid: '],
    ['a byte order mark', '/c.json', '\uFEFF{}', 'byte order mark'],
    ['not UTF-8', '/c.json', new Uint8Array([0x7b, 0xff]), 'not UTF-8'],
    ['an array', '/c.json', '["canary"]', 'it must be an object'],
    ['an empty file', '/c.json', '', 'is not valid: '],
    [
      'YAML that is none',
      '/c.yaml',
      'a: [canary',
      'the configuration file "/c.yaml" is not valid: ',
    ],
    [
      'a YAML key twice',
      '/c.yaml',
      'a: canary\na: canary\n',
      'is not valid: duplicate key at line 2',
    ],
    ['two YAML documents', '/c.yaml', '---\na: canary\n---\nb: 1\n', 'is not valid: multiple docs'],
    ['an unknown alias', '/c.yaml', 'a: *canary\n', 'is not valid: '],
    ['YAML that is not UTF-8', '/c.yaml', new Uint8Array([0x61, 0xff]), 'it is not UTF-8'],
    ['an empty YAML file', '/c.yaml', '', 'it must be an object'],
    ['a YAML bomb', '/c.yaml', bomb(), 'is not valid: '],
    [
      '__proto__ in YAML',
      '/c.yaml',
      '__proto__: { timeout: 1 }\nvault: {}\n',
      '__proto__ is not a known setting',
    ],
  ])('G1: %s is refused', async (_name, path, content, problem) => {
    const message = await rejectionOf(read(path, content))
    expect(message).toContain(problem)
    expect(message).not.toContain('canary')
  })

  test('a file that cannot be read', async () => {
    await expect(read('/c.json', systemError('EACCES'))).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: 'the configuration file "/c.json" cannot be read',
      causeClass: 'EACCES',
    })
  })

  test('I18: an own __proto__ key of a file stays a key through the merge', async () => {
    const runtime = fakeRuntime({ files: { '/c.json': '{"__proto__":{"timeout":1}}' } })
    const message = await rejectionOf(loadConfig({ file: '/c.json', env: ADDR }, runtime))
    expect(message).toContain('__proto__ is not a known setting')
    expect(await problems({ env: ADDR, flags: { '__proto__.timeout': 1 } })).toEqual([
      '__proto__ is not a known setting',
    ])
  })
})

describe('loadDefinition', () => {
  const OLD_DEF = {
    secret_name: 'file',
    namespace: 'ns-file',
    read_type: 'SECRET',
    read_key: 'key-file',
    transit_key: 'transit-file',
  }
  const ENV = {
    SECRET_NAME: 'env',
    SECRET_DATA_NAME: 'key-env',
    NAMESPACE: 'ns-env',
    TRANSIT_KEY: 'transit-env',
  }
  const define = ({ json, ...options }: World): ReturnType<typeof loadDefinition> => {
    const files = json === undefined ? {} : { '/def.json': JSON.stringify(json) }
    const file = json === undefined ? undefined : '/def.json'
    return loadDefinition({ env: {}, ...options, file }, fakeRuntime({ files }))
  }

  test('a file alone comes out as it is', async () => {
    expect(await define({ json: OLD_DEF })).toEqual(OLD_DEF)
    expect(await define({ json: OLD_DEF, env: ENV })).toEqual(OLD_DEF)
  })

  test('flags win over a file of either shape', async () => {
    const flags = { secretName: 'flag', namespace: 'ns-flag' }
    expect(await define({ json: OLD_DEF, flags })).toEqual({
      ...OLD_DEF,
      secret_name: 'flag',
      namespace: 'ns-flag',
    })
    const native = { secretName: 'file', readKey: 'k', transitKey: 't', format: 'raw' }
    expect(await define({ json: native, flags })).toEqual({
      ...native,
      secretName: 'flag',
      namespace: 'ns-flag',
    })
  })

  test('a format beside an old file makes it native, with the same meaning', async () => {
    const definition = await define({ json: OLD_DEF, flags: { format: 'raw' } })
    expect(definition).toMatchObject({ secretName: 'file', format: 'raw' })
    expect(parseDefinition(definition)).toEqual(parseDefinition(OLD_DEF))
  })

  test("the original's variables are a raw definition", async () => {
    expect(parseDefinition(await define({ env: ENV }))).toEqual({
      secretName: 'env',
      namespace: 'ns-env',
      readType: 'SECRET',
      readKey: 'key-env',
      transitKey: 'transit-env',
      format: 'raw',
      binding: 'strict',
      allowRollback: false,
      schema: undefined,
    })
  })

  test('flags alone, and what they leave out', async () => {
    const flags = { secretName: 'a', readKey: 'k', transitKey: 't', format: 'raw' }
    expect(await define({ flags })).toEqual(flags)
    const message = await rejectionOf(define({ flags: { secretName: 'A/canary' } }))
    expect(listed(message).map((problem) => problem.split(' must')[0])).toEqual([
      'secretName (from flags)',
      'readKey is required and',
      'transitKey is required and',
    ])
    expect(message).not.toContain('canary')
  })
})

function bomb(): string {
  const lines = Array.from({ length: 12 }, (_, at) => {
    const list = at === 0 ? '[x, x]' : `[${`*a${at - 1}, `.repeat(8)}]`
    return `a${at}: &a${at} ${list}`
  })
  return `${lines.join('\n')}\n`
}
