import { isRecord } from './record.ts'

/** What a JSON Web Token says about itself. Claims, not facts: nothing here verifies a signature. */
export interface JwtClaims {
  readonly iss?: string | undefined
  /** Empty where the token names none. */
  readonly aud: readonly string[]
  readonly sub?: string | undefined
  /** Unix seconds. */
  readonly exp?: number | undefined
  /** Unix seconds. */
  readonly iat?: number | undefined
  /** Unix seconds. */
  readonly nbf?: number | undefined
  readonly namespace?: string | undefined
  readonly serviceAccount?: string | undefined
  readonly pod?: { readonly name: string; readonly uid: string } | undefined
}

/** Longest token that is looked at, in characters; the API server's are about a thousand. */
const LONGEST = 64 * 1024

const SHAPE = /^[\w-]+\.([\w-]+)\.[\w-]+$/

/**
 * Decodes the payload of a JWT, for messages and for checks before a call. Gives `undefined` for
 * anything that is not one, such as a half-written file; never throws.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519 and, for ServiceAccount tokens,
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
 */
export function readClaims(jwt: string): JwtClaims | undefined {
  const payload = jwt.length <= LONGEST ? SHAPE.exec(jwt)?.[1] : undefined
  const claims = payload === undefined ? undefined : decode(payload)
  if (!claims) return undefined
  return {
    iss: text(claims['iss']),
    aud: audiences(claims['aud']),
    sub: text(claims['sub']),
    exp: seconds(claims['exp']),
    iat: seconds(claims['iat']),
    nbf: seconds(claims['nbf']),
    ...serviceAccount(claims),
  }
}

type Fields = Readonly<Record<string, unknown>>

function decode(payload: string): Fields | undefined {
  try {
    return fields(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
  } catch {
    // Not JSON: the caller learns it from the absence, and the parser's message quotes the data.
    return undefined
  }
}

function serviceAccount(claims: Fields): Pick<JwtClaims, 'namespace' | 'serviceAccount' | 'pod'> {
  const bound = fields(claims['kubernetes.io']) ?? {}
  const [, subjectNamespace, subjectName] =
    /^system:serviceaccount:([^:]+):([^:]+)$/.exec(text(claims['sub']) ?? '') ?? []
  return {
    namespace: text(bound['namespace']) ?? subjectNamespace,
    serviceAccount: text(fields(bound['serviceaccount'])?.['name']) ?? subjectName,
    pod: podReference(fields(bound['pod'])),
  }
}

function podReference(pod: Fields | undefined): JwtClaims['pod'] {
  const name = text(pod?.['name'])
  const uid = text(pod?.['uid'])
  return name && uid ? { name, uid } : undefined
}

function audiences(value: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  return all.filter(isPrintable)
}

function fields(value: unknown): Fields | undefined {
  return isRecord(value) ? value : undefined
}

/** Claims stand in messages: one that could not, such as one with a line break, is as if it were absent. */
function text(value: unknown): string | undefined {
  return isPrintable(value) ? value : undefined
}

function isPrintable(value: unknown): value is string {
  return typeof value === 'string' && /^[ -~]{0,512}$/.test(value)
}

function seconds(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
