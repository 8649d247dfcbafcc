import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { parseConfig, type Settings } from '../../src/config/schema.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { listed, rejectionOf } from './problems-of.ts'

const ADDRESS = 'https://vault.example:8200'
const OLD = {
  SOURCE: 'KUBEVAULT',
  kube_config: null,
  service_account: 'default',
  namespace: 'default',
  vault_url: ADDRESS,
  role: 'old',
  ca_cert: true,
}

interface World {
  /** What the configuration file says of the login; absent: there is no file. */
  readonly auth?: object
  /** A whole file. */
  readonly json?: object
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: Readonly<Record<string, unknown>>
}

function load({ auth, json, env = {}, flags = {} }: World): ReturnType<typeof loadConfig> {
  const content = json ?? (auth && { vault: { url: ADDRESS, auth } })
  const files = content === undefined ? {} : { '/cfg.json': JSON.stringify(content) }
  return loadConfig(
    {
      file: content === undefined ? undefined : '/cfg.json',
      env: { VAULT_ADDR: ADDRESS, ...env },
      flags: Object.fromEntries(
        Object.entries(flags).map(([key, value]) => [`vault.auth.${key}`, value]),
      ),
    },
    fakeRuntime({ files }),
  )
}

const settings = async (world: World): Promise<Settings> => parseConfig(await load(world))
const authOf = async (world: World): Promise<object> => (await settings(world)).vault.auth
const problems = async (world: World): Promise<string[]> => listed(await rejectionOf(load(world)))

const KUBERNETES = { method: 'kubernetes', role: 'file' }
const APPROLE = { method: 'approle', roleId: 'file-id', secretId: 'file-secret' }
const value = (text: string): object => ({ kind: 'value', value: text })
const file = (path: string): object => ({ kind: 'file', path })

/** What other programs of the pod may have. */
const STRAYS = {
  VAULT_TOKEN: 'stray',
  VAULT_ROLE_ID: 'stray',
  VAULT_SECRET_ID: 'stray',
  BAO_SECRET_ID_FILE: '/stray',
  VAULT_AUTH_METHOD: 'approle',
}

describe('a method that is named', () => {
  const rows: readonly (readonly [string, World, object])[] = [
    ['in a file', { auth: { method: 'jwt', role: 'a' } }, { method: 'jwt', mount: 'jwt' }],
    [
      'by a flag, with the environment for it',
      { flags: { method: 'token' }, env: { VAULT_TOKEN: 'hvs.x', VAULT_ROLE: 'stray' } },
      { method: 'token', token: value('hvs.x') },
    ],
    ['by a flag alone', { flags: { method: 'token' } }, { method: 'token', token: undefined }],
    [
      'by the environment',
      { env: { VAULT_AUTH_METHOD: 'jwt', VAULT_ROLE: 'a' } },
      { method: 'jwt', role: 'a' },
    ],
    [
      "by OpenBao's name first",
      { env: { BAO_AUTH_METHOD: 'gcp', VAULT_AUTH_METHOD: 'jwt', ROLE: 'a' } },
      { method: 'gcp', role: 'a' },
    ],
    [
      'by a flag before the environment',
      { flags: { method: 'jwt', role: 'a' }, env: { VAULT_AUTH_METHOD: 'gcp' } },
      { method: 'jwt' },
    ],
    [
      'in a file before the environment: sidecar injectors set that for themselves',
      { auth: KUBERNETES, env: { VAULT_AUTH_METHOD: 'jwt' } },
      { method: 'kubernetes', role: 'file' },
    ],
    [
      'by a flag before a file, whose login then does not count',
      { auth: { ...KUBERNETES, audience: 'x' }, flags: { method: 'jwt', role: 'flag' } },
      { method: 'jwt', role: 'flag', audience: 'vault' },
    ],
    [
      'by a flag as in the file, which then counts',
      { auth: { ...KUBERNETES, audience: 'x' }, flags: { method: 'kubernetes' } },
      { method: 'kubernetes', role: 'file', audience: 'x' },
    ],
  ]
  test.each(rows)('%s', async (_name, world, auth) => {
    expect(await authOf(world)).toMatchObject(auth)
  })
})

describe('a method that nobody names', () => {
  const rows: readonly (readonly [string, World, object])[] = [
    ['a role of the environment', { env: { VAULT_ROLE: 'a' } }, { method: 'kubernetes' }],
    ['a role by flag', { flags: { role: 'a' } }, { method: 'kubernetes', role: 'a' }],
    ['a role in a file', { auth: { role: 'a' } }, { method: 'kubernetes', role: 'a' }],
    [
      'a role before all else',
      { env: { VAULT_ROLE: 'a', VAULT_TOKEN: 't', VAULT_ROLE_ID: 'r' } },
      { method: 'kubernetes' },
    ],
    [
      'a role_id before a token',
      { env: { VAULT_ROLE_ID: 'r', VAULT_TOKEN: 't' } },
      { method: 'approle', roleId: value('r'), secretId: undefined },
    ],
    [
      'the file of a role_id',
      { env: { BAO_ROLE_ID_FILE: '/r', VAULT_SECRET_ID_FILE: '/s' } },
      { method: 'approle', roleId: file('/r'), secretId: file('/s') },
    ],
    [
      'the file of a role_id by flag',
      { flags: { roleIdFile: '/r' }, env: { VAULT_SECRET_ID: 's' } },
      { method: 'approle', roleId: file('/r'), secretId: value('s') },
    ],
    [
      'a token',
      { env: { VAULT_TOKEN: 't', VAULT_SECRET_ID: 'stray' } },
      { method: 'token', token: value('t') },
    ],
    [
      "OpenBao's token first",
      { env: { BAO_TOKEN: 'b', VAULT_TOKEN: 't' } },
      { method: 'token', token: value('b') },
    ],
    [
      'the file of a token',
      { env: { VAULT_TOKEN_FILE: '/t' } },
      { method: 'token', token: file('/t') },
    ],
    [
      'a ROLE of everyday name only where nothing else is said',
      { env: { ROLE: 'stray', VAULT_TOKEN: 't' } },
      { method: 'token', token: value('t') },
    ],
    ['ROLE alone', { env: { ROLE: 'a' } }, { method: 'kubernetes', role: 'a' }],
    [
      'a file that leaves the login out',
      { json: { vault: { url: ADDRESS } }, env: { VAULT_TOKEN: 't' } },
      { method: 'token', token: value('t') },
    ],
  ]
  test.each(rows)('%s', async (_name, world, auth) => {
    expect(await authOf(world)).toMatchObject(auth)
  })

  test('with nothing at all it is kubernetes, and wants a role', async () => {
    expect(await problems({})).toEqual([expect.stringMatching(/^vault\.auth\.role is required/)])
  })
})

describe('a stray credential changes nothing', () => {
  const named: readonly (readonly [string, World])[] = [
    ['of a file', { auth: KUBERNETES }],
    ['of a file of the original', { json: OLD }],
    ['of a flag', { flags: { method: 'kubernetes', role: 'flag' } }],
    ['of a file of another method', { auth: { method: 'gcp', role: 'file' } }],
    ['of a file with jwt', { auth: { method: 'jwt', role: 'file', jwtFile: '/jwt' } }],
  ]
  test.each(named)('in the login %s', async (_name, world) => {
    expect(await load({ ...world, env: STRAYS })).toEqual(await load(world))
  })

  test('in the login of a role that is named by flag', async () => {
    const { VAULT_AUTH_METHOD: _named, ...env } = STRAYS
    const world = { flags: { role: 'flag' } }
    expect(await load({ ...world, env })).toEqual(await load(world))
  })

  test('in a login by token', async () => {
    const env = { ...STRAYS, VAULT_TOKEN: 't', VAULT_ROLE: 'stray', ROLE: 'stray' }
    expect(await authOf({ auth: { method: 'token' }, env })).toEqual({
      method: 'token',
      token: value('t'),
    })
  })
})

describe('precedence within a login', () => {
  const env = { VAULT_ROLE_ID: 'env-id', VAULT_SECRET_ID: 'env-secret' }
  const rows: readonly (readonly [string, World, object])[] = [
    ['the environment over a file', { auth: APPROLE, env }, { roleId: value('env-id') }],
    [
      'a value of the environment takes back the path of a file',
      { auth: { ...APPROLE, secretId: undefined, secretIdFile: '/file' }, env },
      { secretId: value('env-secret') },
    ],
    [
      'a path by flag takes back a value of the file',
      { auth: APPROLE, flags: { secretIdFile: '/flag' } },
      { roleId: value('file-id'), secretId: file('/flag') },
    ],
    [
      'a path by flag takes back a value of the environment and of the file',
      { auth: APPROLE, env, flags: { roleIdFile: '/flag', secretIdFile: '/flag' } },
      { roleId: file('/flag'), secretId: file('/flag') },
    ],
  ]
  test.each(rows)('%s', async (_name, world, auth) => {
    expect(await authOf(world)).toMatchObject({ method: 'approle', ...auth })
  })

  test('two that the environment says at once are a mistake', async () => {
    const both = { VAULT_SECRET_ID: 'CANARY', VAULT_SECRET_ID_FILE: '/s', VAULT_ROLE_ID: 'r' }
    expect(await problems({ env: both })).toEqual([
      'vault.auth.secretIdFile (from VAULT_SECRET_ID_FILE) must not stand beside vault.auth.secretId',
    ])
  })
})

describe("a file of the original's shape", () => {
  test('keeps its shape where a flag names its method', async () => {
    expect(await load({ json: OLD, flags: { method: 'kubernetes', role: 'flag' } })).toEqual({
      ...OLD,
      role: 'flag',
    })
  })

  test('keeps all but its login where a flag names another method', async () => {
    const before = parseConfig(OLD)
    const found = await settings({ json: OLD, flags: { method: 'jwt', role: 'flag' } })
    expect(found).toEqual({
      ...before,
      vault: {
        ...before.vault,
        auth: { method: 'jwt', role: 'flag', mount: 'jwt', audience: 'vault', jwtFile: undefined },
      },
      legacy: false,
    })
    expect(found.cache.refreshAfterMs).toBe(0)
  })

  test('its role does not count for another method', async () => {
    expect(await problems({ json: OLD, flags: { method: 'jwt' } })).toEqual([
      expect.stringMatching(/^vault\.auth\.role is required/),
    ])
  })

  test("a job with VAULT_URL and another method is none of the original's", async () => {
    const env = { VAULT_ADDR: '', VAULT_URL: ADDRESS }
    const token = { method: 'token', token: undefined }
    expect(await authOf({ env, flags: { method: 'token' } })).toEqual(token)
    expect(await authOf({ env: { ...env, VAULT_AUTH_METHOD: 'token' } })).toEqual(token)
  })
})

describe('G1: what is wrong names who said it, and no value', () => {
  const rows: readonly (readonly [string, World, string])[] = [
    [
      'an unknown method',
      { env: { VAULT_AUTH_METHOD: 'CANARY', VAULT_ROLE: 'a' } },
      'vault.auth.method (from VAULT_AUTH_METHOD) must be kubernetes, jwt,',
    ],
    [
      'a method of a flag',
      { flags: { method: 'aprole' } },
      'vault.auth.method (from flags) must be kubernetes, jwt, approle, gcp, token or custom: did you mean approle?',
    ],
    [
      'a token',
      { env: { VAULT_TOKEN: 'CANARY\n' } },
      'vault.auth.token (from VAULT_TOKEN) must be visible ASCII',
    ],
    [
      'a secret_id',
      { env: { VAULT_ROLE_ID: 'r', BAO_SECRET_ID: 'CANARY CANARY' } },
      'vault.auth.secretId (from BAO_SECRET_ID) must be visible ASCII',
    ],
    [
      'a flag for another method',
      { auth: { method: 'token', token: 'CANARY' }, flags: { role: 'a' } },
      'vault.auth.role (from flags) belongs to method kubernetes, jwt or gcp',
    ],
    [
      'no role_id',
      { env: { VAULT_AUTH_METHOD: 'approle', VAULT_SECRET_ID: 'CANARY' } },
      'vault.auth.roleId is required, unless vault.auth.roleIdFile is there',
    ],
    [
      'a function in a file',
      { auth: { method: 'custom', login: 'CANARY' } },
      'vault.auth.login must be a function, which no file, variable or flag can hold',
    ],
  ]
  test.each(rows)('%s', async (_name, world, problem) => {
    const [first, ...more] = await problems(world)
    expect(first).toContain(problem)
    expect(first).not.toContain('CANARY')
    expect(more).toEqual([])
  })
})

test('a function can be given beside a file that names no login', async () => {
  const login = (): never => {
    throw new Error('not called')
  }
  const world = { json: { vault: { url: ADDRESS } }, flags: { method: 'custom', login } }
  expect(await authOf(world)).toEqual({ method: 'custom', login })
})

test('I10: who prints a configuration prints no credential; it still has them', async () => {
  const env = {
    VAULT_ADDR: 'https://vault.example',
    VAULT_ROLE_ID: 'CANARY-r',
    VAULT_SECRET_ID: 'CANARY-s',
  }
  const config = await loadConfig({ env }, fakeRuntime())
  expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('CANARY')
  expect(parseConfig(config).vault.auth).toMatchObject({
    roleId: { kind: 'value', value: 'CANARY-r' },
    secretId: { kind: 'value', value: 'CANARY-s' },
  })
})
