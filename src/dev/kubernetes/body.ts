/** Reads the body of a request into an object of the kind that the URL demands. */
import { DecodeError, type GoType, decode, jsonKind } from './decode.ts'
import { type Qualified, type Refusal, badRequest, invalid, unsupportedBody } from './status.ts'

/** What the URL demands: the kind and how it is read. */
export interface Expected<T> {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly type: GoType<T>
}

/** An object and the warnings that its reading gave. */
export interface Read<T> {
  readonly object: T
  readonly warnings: readonly string[]
}

/** Kinds that the server knows, with the internal package that its messages name. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ['', 'core'],
  ['rbac.authorization.k8s.io', 'rbac'],
  ['authentication.k8s.io', 'authentication'],
  ['authorization.k8s.io', 'authorization'],
  ['batch', 'batch'],
])
const CORE_KINDS: ReadonlySet<string> = new Set([
  'Namespace',
  'Secret',
  'ConfigMap',
  'ServiceAccount',
  'Pod',
])

/** Parses and decodes. @throws Refusal 400 or 415 */
export function readBody<T>(
  body: string,
  contentType: string,
  expected: Expected<T>,
  strict: boolean,
): Read<T> {
  const media = contentType.split(';')[0]?.trim() ?? ''
  if (media !== '' && media !== 'application/json') throw unsupportedBody()
  const value = parseObject(body, expected.kind)
  const given = kindOf(value, expected)
  const prefix = `${given.kind} in version "${given.version}" cannot be handled as a ${expected.kind}: `
  const problem = kindProblem(given, expected)
  if (problem !== undefined) throw badRequest(prefix + problem)
  return decodeOr(expected, value, strict, (text) => badRequest(prefix + text))
}

/** Decodes what a patch made of an object. The real answer quotes the whole object, values included. */
export function readPatched<T>(value: object, expected: Expected<T>, strict: boolean): Read<T> {
  const refuse = (text: string): Refusal => {
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(value))}: ${text}`
    return invalid(NO_KIND, '', [{ reason: 'FieldValueInvalid', message, field: 'patch' }])
  }
  const problem = kindProblem(kindOf(value, expected), expected)
  if (problem !== undefined) throw refuse(problem)
  return decodeOr(expected, value, strict, refuse)
}

/** Parses JSON. @throws what `refuse` makes of the text */
export function parseJson(body: string, refuse: (text: string) => Error): unknown {
  if (body === '') throw refuse('unexpected end of JSON input')
  try {
    const value: unknown = JSON.parse(body)
    return value
  } catch {
    // Go's exact words depend on where its scanner stops; ours name the character it would meet.
    throw refuse(`invalid character ${quotedChar(body)} looking for beginning of value`)
  }
}

const NO_KIND: Qualified = { group: '', name: '' }

function parseObject(body: string, kind: string): object {
  const refuse = (text: string): Refusal => {
    const shown = body === '' ? '<empty>' : body
    const cause = `couldn't get version/kind; json parse error: ${text} (${shown})`
    return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${cause}`)
  }
  const value = parseJson(body, refuse)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw refuse(`json: cannot unmarshal ${jsonKind(value)} into Go value of type struct`)
}

interface GivenKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

function kindOf(value: object, { group, version, kind }: GivenKind): GivenKind {
  const given = 'kind' in value && typeof value.kind === 'string' ? value.kind : ''
  const named =
    'apiVersion' in value && typeof value.apiVersion === 'string' ? value.apiVersion : ''
  const at = named.lastIndexOf('/')
  return {
    kind: given === '' ? kind : given,
    group: named === '' ? group : named.slice(0, Math.max(at, 0)),
    version: named === '' ? version : named.slice(at + 1),
  }
}

function kindProblem(given: GivenKind, expected: GivenKind): string | undefined {
  const { kind, group, version } = given
  const isExpected =
    kind === expected.kind && group === expected.group && version === expected.version
  if (isExpected) return undefined
  const from = PACKAGES.get(group)
  const into = PACKAGES.get(expected.group) ?? expected.group
  const isKnown = version === 'v1' && from !== undefined && (group !== '' || CORE_KINDS.has(kind))
  if (isKnown) return `converting (v1.${kind}) to (${into}.${expected.kind}): unknown conversion`
  const apiVersion = group === '' ? version : `${group}/${version}`
  return `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:111"`
}

function decodeOr<T>(
  { type }: Expected<T>,
  value: object,
  strict: boolean,
  refuse: (text: string) => Error,
): Read<T> {
  const { object, unknown } = decodeObject(type, value, refuse)
  const warnings = unknown.map((field) => `unknown field "${field}"`)
  if (strict && warnings.length > 0) throw refuse(`strict decoding error: ${warnings.join(', ')}`)
  return { object, warnings }
}

function decodeObject<T>(
  type: GoType<T>,
  value: object,
  refuse: (text: string) => Error,
): { object: T; unknown: string[] } {
  try {
    return decode(type, value)
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error.message)
    throw error
  }
}

function quotedChar(body: string): string {
  const char = /[^\s{["]/.exec(body)?.[0] ?? body.slice(0, 1)
  return `'${char}'`
}
