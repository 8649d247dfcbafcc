import { describe, expect, test } from 'vitest'
import { byMethod } from '../../src/config/by-method.ts'
import { group, leaf, optional } from '../../src/config/check.ts'
import { parseConfig } from '../../src/config/schema.ts'
import type { AuthConfig, CustomLogin } from '../../src/config/types.ts'
import { messageOf, problemsOf } from './problems-of.ts'

const config = (auth: unknown): unknown => ({ vault: { url: 'https://vault.example:8200', auth } })
const authOf = (auth: unknown): object => parseConfig(config(auth)).vault.auth
const problems = (auth: unknown): string[] => problemsOf(() => parseConfig(config(auth)))

const login: CustomLogin = (vault) => vault.login('auth/userpass/login/dave', {})
const ID = 'a1b2c3d4-0000-1111-2222-333344445555'
const IAM = 'https://iamcredentials.googleapis.com'
const EMAIL = 'app@project-1.iam.gserviceaccount.com'
const value = (text: string): object => ({ kind: 'value', value: text })
const file = (path: string): object => ({ kind: 'file', path })

describe('each method fills in its defaults and takes every setting over', () => {
  const rows: readonly (readonly [AuthConfig, object])[] = [
    [
      { method: 'kubernetes', role: 'app' },
      { role: 'app', mount: 'kubernetes', audience: 'vault', jwtFile: undefined },
    ],
    [
      { method: 'jwt', role: 'app' },
      { role: 'app', mount: 'jwt', audience: 'vault', jwtFile: undefined },
    ],
    [
      { method: 'jwt', role: 'app', mount: '/a/b/', audience: 'x', jwtFile: '/jwt' },
      { role: 'app', mount: 'a/b', audience: 'x', jwtFile: '/jwt' },
    ],
    [
      { method: 'approle', roleId: ID },
      {
        mount: 'approle',
        roleId: value(ID),
        secretId: undefined,
        wrapped: false,
        singleUse: false,
      },
    ],
    [
      { method: 'approle', mount: 'apps', roleIdFile: '/r', secretIdFile: '/s', wrapped: true },
      {
        mount: 'apps',
        roleId: file('/r'),
        secretId: file('/s'),
        wrapped: true,
        singleUse: true,
      },
    ],
    [
      { method: 'approle', roleId: ID, secretId: 'hvs.x', wrapped: true, singleUse: false },
      {
        mount: 'approle',
        roleId: value(ID),
        secretId: value('hvs.x'),
        wrapped: true,
        singleUse: false,
      },
    ],
    [
      { method: 'approle', roleId: ID, secretId: ID, singleUse: true },
      {
        mount: 'approle',
        roleId: value(ID),
        secretId: value(ID),
        wrapped: false,
        singleUse: true,
      },
    ],
    [
      { method: 'gcp', role: 'app' },
      {
        role: 'app',
        mount: 'gcp',
        type: 'iam',
        serviceAccount: undefined,
        credentials: undefined,
        iamEndpoint: IAM,
      },
    ],
    [
      {
        method: 'gcp',
        role: 'app',
        mount: 'google',
        type: 'iam',
        serviceAccount: EMAIL,
        credentials: '/adc.json',
        iamEndpoint: 'http://127.0.0.1:8080/',
      },
      {
        role: 'app',
        mount: 'google',
        type: 'iam',
        serviceAccount: EMAIL,
        credentials: '/adc.json',
        iamEndpoint: 'http://127.0.0.1:8080',
      },
    ],
    [
      { method: 'gcp', role: 'app', type: 'gce' },
      {
        role: 'app',
        mount: 'gcp',
        type: 'gce',
        serviceAccount: undefined,
        credentials: undefined,
        iamEndpoint: IAM,
      },
    ],
    [{ method: 'token' }, { token: undefined }],
    [{ method: 'token', token: 'hvs.x' }, { token: value('hvs.x') }],
    [{ method: 'token', tokenFile: '/t' }, { token: file('/t') }],
    [{ method: 'custom', login }, { login }],
  ]

  test.each(rows)('%j', (auth, settings) => {
    expect(authOf(auth)).toEqual({ method: auth.method, ...settings })
  })

  test('a batch token, longer than a service token, is taken', () => {
    const token = `hvb.${'A'.repeat(4000)}`
    expect(authOf({ method: 'token', token })).toMatchObject({ token: value(token) })
  })
})

describe('G1: which method is meant', () => {
  const ALL = 'must be kubernetes, jwt, approle, gcp, token or custom'
  test.each([
    ['none', {}, `is required and ${ALL}`],
    ['an unknown one', { method: 'ldap' }, ALL],
    ['another case', { method: 'AppRole' }, `${ALL}: did you mean approle?`],
    ['a typo', { method: 'kubernets' }, `${ALL}: did you mean kubernetes?`],
    ['no text', { method: ['jwt'] }, ALL],
    ['a name of Object', { method: 'constructor' }, ALL],
    ['__proto__', { method: '__proto__' }, ALL],
  ])('%s', (_name, auth, says) => {
    expect(problems(auth)).toEqual([`vault.auth.method ${says}`])
  })

  test('inherited it does not count', () => {
    const auth = Object.create({ method: 'token' })
    expect(problems(auth)).toEqual([`vault.auth.method is required and ${ALL}`])
  })

  test('without a known one, what no method has is still said', () => {
    expect(problems({ method: 'k8s', rle: 'a', roleId: ID })).toEqual([
      'vault.auth.rle is not a known setting: did you mean role?',
      `vault.auth.method ${ALL}`,
    ])
  })
})

describe('G1: what is wrong with a login is said with its path', () => {
  const rows: readonly (readonly [string, object, string])[] = [
    ['no role', { method: 'jwt' }, 'vault.auth.role is required and must be the name of a role'],
    ['no role of gcp', { method: 'gcp' }, 'vault.auth.role is required and must be the name'],
    [
      'a key of one other method',
      { method: 'kubernetes', role: 'a', roleId: ID },
      'vault.auth.roleId belongs to method approle',
    ],
    [
      'a key of several others',
      { method: 'token', role: 'a' },
      'vault.auth.role belongs to method kubernetes, jwt or gcp',
    ],
    [
      'a typo',
      { method: 'approle', roleid: ID, roleId: ID },
      'vault.auth.roleid is not a known setting: did you mean roleId?',
    ],
    [
      '__proto__',
      JSON.parse('{"method":"token","__proto__":{"token":"a"}}'),
      'vault.auth.__proto__ is not a known setting',
    ],
    ['a mount as path', { method: 'approle', roleId: ID, mount: '..' }, 'vault.auth.mount must be'],
    [
      'no role_id',
      { method: 'approle' },
      'vault.auth.roleId is required, unless vault.auth.roleIdFile is there',
    ],
    [
      'two role_ids',
      { method: 'approle', roleId: ID, roleIdFile: '/r' },
      'vault.auth.roleIdFile must not stand beside vault.auth.roleId',
    ],
    [
      'two secret_ids',
      { method: 'approle', roleId: ID, secretId: ID, secretIdFile: '/s' },
      'vault.auth.secretIdFile must not stand beside vault.auth.secretId',
    ],
    [
      'wrapped nothing',
      { method: 'approle', roleId: ID, wrapped: true },
      'vault.auth.wrapped needs vault.auth.secretId or vault.auth.secretIdFile',
    ],
    [
      'nothing to use once',
      { method: 'approle', roleId: ID, singleUse: true },
      'vault.auth.singleUse needs vault.auth.secretId or vault.auth.secretIdFile',
    ],
    [
      'a wrong role_id is not a missing one',
      { method: 'approle', roleId: 'a b' },
      'vault.auth.roleId must be visible ASCII text without spaces',
    ],
    [
      'a wrong secret_id is not a missing one',
      { method: 'approle', roleId: ID, secretId: 'a\n', wrapped: true },
      'vault.auth.secretId must be visible ASCII text without spaces',
    ],
    ['an empty id', { method: 'approle', roleId: '' }, 'vault.auth.roleId must be visible ASCII'],
    ['no path', { method: 'approle', roleIdFile: '' }, 'vault.auth.roleIdFile must be a path'],
    [
      'a boolean as text',
      { method: 'approle', roleId: ID, secretId: ID, wrapped: 'yes' },
      'vault.auth.wrapped must be true or false',
    ],
    [
      'another type',
      { method: 'gcp', role: 'a', type: 'gke' },
      'vault.auth.type must be iam or gce',
    ],
    ...(['serviceAccount', 'credentials', 'iamEndpoint'] as const).map(
      (key): readonly [string, object, string] => [
        `${key} of gce`,
        {
          method: 'gcp',
          role: 'a',
          type: 'gce',
          [key]: { serviceAccount: EMAIL, credentials: '/c', iamEndpoint: IAM }[key],
        },
        `vault.auth.${key} belongs to type iam`,
      ],
    ),
    [
      'an email as path',
      { method: 'gcp', role: 'a', serviceAccount: '../a@b' },
      'vault.auth.serviceAccount must be the email of a service account',
    ],
    [
      'plain http abroad',
      { method: 'gcp', role: 'a', iamEndpoint: 'http://iam.example' },
      'vault.auth.iamEndpoint must begin with https:// (plain http only to this host)',
    ],
    [
      'no address',
      { method: 'gcp', role: 'a', iamEndpoint: 'iam.example' },
      'vault.auth.iamEndpoint must begin with https://, such as https://iamcredentials',
    ],
    [
      'credentials in an address',
      { method: 'gcp', role: 'a', iamEndpoint: 'https://u:p@iam.example' },
      'vault.auth.iamEndpoint must not hold credentials',
    ],
    [
      'two tokens',
      { method: 'token', token: 'a', tokenFile: '/t' },
      'vault.auth.tokenFile must not stand beside vault.auth.token',
    ],
    ['a token of lines', { method: 'token', token: 'a\r\nb' }, 'vault.auth.token must be visible'],
    ['a token of bytes', { method: 'token', token: 'ä' }, 'vault.auth.token must be visible'],
    [
      'a token without end',
      { method: 'token', token: 'a'.repeat(8193) },
      'vault.auth.token must be',
    ],
    [
      'no function',
      { method: 'custom' },
      'vault.auth.login is required and must be a function, which no file, variable or flag can hold',
    ],
    ['a function as text', { method: 'custom', login: '() => 1' }, 'login must be a function'],
  ]

  test.each(rows)('%s', (_name, auth, problem) => {
    const [first, ...more] = problems(auth)
    expect(first).toContain(problem)
    expect(more).toEqual([])
  })

  test('no value is ever quoted', () => {
    const bad = 'hunter2-canary \n'
    const keys = ['mount', 'roleId', 'roleIdFile', 'secretId', 'secretIdFile', 'wrapped', 'token']
    const others = ['singleUse', 'role', 'type', 'serviceAccount', 'credentials', 'iamEndpoint']
    const all = Object.fromEntries(
      [...keys, ...others, 'tokenFile', 'login', 'audience', 'jwtFile'].map((key) => [key, bad]),
    )
    const methods = ['kubernetes', 'jwt', 'approle', 'gcp', 'token', 'custom', bad]
    for (const method of methods) {
      const message = messageOf(() => parseConfig(config({ ...all, method })))
      expect(message).toContain('vault.auth.')
      expect(message).not.toContain('canary')
    }
    const both = {
      ...all,
      secretIdFile: '/s',
      roleIdFile: '/r',
      roleId: 'CANARY',
      secretId: 'CANARY',
    }
    for (const method of methods) {
      expect(messageOf(() => parseConfig(config({ ...both, method })))).not.toContain('CANARY')
    }
  })
})

test('drift between the methods and their interfaces does not compile', () => {
  type Shape =
    | { readonly method: 'a'; readonly x: string }
    | { readonly method: 'b'; readonly y?: string | undefined }
  const text = leaf<string>(() => ({ says: 'x' }))
  const a = group<Extract<Shape, { method: 'a' }>>()({ method: leaf<'a'>(read), x: text })
  const b = group<Extract<Shape, { method: 'b' }>>()({ method: leaf<'b'>(read), y: optional(text) })
  const of = byMethod<Shape>()
  expect(of({ a, b })).toBeTypeOf('object')
  // @ts-expect-error a method too few
  of({ a })
  // @ts-expect-error a method too many
  of({ a, b, c: b })
  // @ts-expect-error the group of another method
  of({ a, b: a })
  // @ts-expect-error a group with a key too few
  group<Extract<Shape, { method: 'b' }>>()({ method: leaf<'b'>(read) })
})

function read(): { readonly says: string } {
  return { says: 'x' }
}
