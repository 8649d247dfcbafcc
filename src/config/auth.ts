/** How to log in, as it is written: one group of settings for each auth method. */
import { isServiceAccountEmail } from '../lib/names.ts'
import { anyOf, byMethod } from './by-method.ts'
import {
  becoming,
  group,
  leaf,
  optional,
  unknownKey,
  withDefault,
  type OutputOf,
  type Reading,
  type Rule,
} from './check.ts'
import type { Problem } from './problems.ts'
import {
  credential,
  filePath,
  mountPath,
  oneOf,
  role,
  text,
  trueOrFalse,
  visibleText,
} from './rules.ts'
import type { AppRoleSettings, AuthSettings, GcpSettings, Given } from './settings.ts'
import type {
  AppRoleAuth,
  AuthConfig,
  CustomAuth,
  CustomLogin,
  GcpAuth,
  JwtAuth,
  KubernetesAuth,
  TokenAuth,
} from './types.ts'
import { readIamEndpoint } from './url.ts'

/** The keys of an auth method, `method` among them; none where there is no such method. */
export function keysOfMethod(method: unknown): readonly string[] {
  return Object.entries(METHODS).find(([name]) => name === method)?.[1].keys ?? []
}

const mountOr = (fallback: string): Rule<string | undefined, string> =>
  withDefault(mountPath('the mount path of the auth method'), fallback)

const exactly = <const Method extends string>(method: Method): Rule<Method> =>
  oneOf(`must be ${method}`, [method])

/** Where a key of another method stands, its method was meant. */
function stranger(key: string, known: readonly string[]): string {
  const owners = Object.entries(METHODS).flatMap(([name, { keys }]) =>
    keys.includes(key) ? [name] : [],
  )
  return owners.length === 0 ? unknownKey(key, known) : `belongs to method ${anyOf(owners)}`
}

const KUBERNETES = group<KubernetesAuth>()(
  {
    method: exactly('kubernetes'),
    role,
    mount: mountOr('kubernetes'),
    audience: withDefault(visibleText, 'vault'),
    jwtFile: optional(filePath),
  },
  { stranger },
)

const JWT = group<JwtAuth>()(
  {
    method: exactly('jwt'),
    role,
    mount: mountOr('jwt'),
    audience: withDefault(visibleText, 'vault'),
    jwtFile: optional(filePath),
  },
  { stranger },
)

const APPROLE = group<AppRoleAuth>()(
  {
    method: exactly('approle'),
    mount: mountOr('approle'),
    roleId: optional(credential),
    roleIdFile: optional(filePath),
    secretId: optional(credential),
    secretIdFile: optional(filePath),
    wrapped: withDefault(trueOrFalse, false),
    singleUse: optional(trueOrFalse),
  },
  { stranger, agree: appRoleDisagreements },
)

const GCP = group<GcpAuth>()(
  {
    method: exactly('gcp'),
    role,
    mount: mountOr('gcp'),
    type: withDefault(oneOf('must be iam or gce', ['iam', 'gce']), 'iam'),
    serviceAccount: optional(text('must be the email of a service account', isServiceAccountEmail)),
    credentials: optional(filePath),
    iamEndpoint: optional(leaf(readIamEndpoint)),
  },
  { stranger, agree: gcpDisagreements },
)

const TOKEN = group<TokenAuth>()(
  { method: exactly('token'), token: optional(credential), tokenFile: optional(filePath) },
  { stranger, agree: (sound) => bothGiven(sound, 'token', 'tokenFile') },
)

const CUSTOM = group<CustomAuth>()(
  { method: exactly('custom'), login: leaf(readLogin) },
  { stranger },
)

const METHODS = {
  kubernetes: KUBERNETES,
  jwt: JWT,
  approle: APPROLE,
  gcp: GCP,
  token: TOKEN,
  custom: CUSTOM,
} as const

const BY_METHOD = byMethod<AuthConfig>()(METHODS)

/** How to log in. */
export const auth: Rule<AuthConfig, AuthSettings> = becoming(BY_METHOD, authSettings)

function authSettings(written: OutputOf<typeof BY_METHOD>): AuthSettings {
  switch (written.method) {
    case 'approle':
      return appRoleSettings(written)
    case 'gcp':
      return gcpSettings(written)
    case 'token':
      return { method: 'token', token: given(written.token, written.tokenFile) }
    case 'kubernetes':
    case 'jwt':
    case 'custom':
      return written
  }
}

function appRoleSettings(written: OutputOf<typeof APPROLE>): AppRoleSettings {
  const { method, mount, roleId = '', roleIdFile, wrapped, singleUse = wrapped } = written
  return {
    method,
    mount,
    // One of the two is there: that was checked.
    roleId: roleIdFile === undefined ? valueOf(roleId) : fileAt(roleIdFile),
    secretId: given(written.secretId, written.secretIdFile),
    wrapped,
    singleUse,
  }
}

function gcpSettings(written: OutputOf<typeof GCP>): GcpSettings {
  const { iamEndpoint = 'https://iamcredentials.googleapis.com' } = written
  return { ...written, iamEndpoint }
}

function given(value: string | undefined, file: string | undefined): Given | undefined {
  if (file !== undefined) return fileAt(file)
  return value === undefined ? undefined : valueOf(value)
}

const valueOf = (value: string): Given => ({ kind: 'value', value })
const fileAt = (path: string): Given => ({ kind: 'file', path })

/** Settings of a group; those that are wrong by themselves are absent, those left out undefined. */
type Sound<Auth> = Partial<Readonly<Record<keyof Auth, unknown>>>

function appRoleDisagreements(sound: Sound<AppRoleAuth>): Problem[] {
  const { wrapped, singleUse } = sound
  const problems = [
    ...bothGiven(sound, 'roleId', 'roleIdFile'),
    ...bothGiven(sound, 'secretId', 'secretIdFile'),
  ]
  if (areLeftOut(sound, 'roleId', 'roleIdFile')) {
    problems.push({ path: 'roleId', says: 'is required, unless vault.auth.roleIdFile is there' })
  }
  if (areLeftOut(sound, 'secretId', 'secretIdFile')) {
    const says = 'needs vault.auth.secretId or vault.auth.secretIdFile'
    if (wrapped === true) problems.push({ path: 'wrapped', says })
    if (singleUse === true) problems.push({ path: 'singleUse', says })
  }
  return problems
}

function gcpDisagreements(sound: Sound<GcpAuth>): Problem[] {
  if (sound.type !== 'gce') return []
  const ofIam = ['serviceAccount', 'credentials', 'iamEndpoint'] as const
  const found = ofIam.filter((key) => sound[key] !== undefined)
  return found.map((path) => ({ path, says: 'belongs to type iam' }))
}

/** A value and the path of a file that has it: which one counts would be a guess. */
function bothGiven<Auth>(
  sound: Sound<Auth>,
  value: keyof Auth & string,
  file: keyof Auth & string,
): Problem[] {
  if (sound[value] === undefined || sound[file] === undefined) return []
  return [{ path: file, says: `must not stand beside vault.auth.${value}` }]
}

function areLeftOut<Auth>(sound: Sound<Auth>, ...keys: readonly (keyof Auth)[]): boolean {
  return keys.every((key) => Object.hasOwn(sound, key) && sound[key] === undefined)
}

function readLogin(value: unknown): Reading<CustomLogin> {
  return isLogin(value)
    ? { value }
    : { says: 'must be a function, which no file, variable or flag can hold' }
}

function isLogin(value: unknown): value is CustomLogin {
  return typeof value === 'function'
}
