/** Requests and answers on the wire. https://openbao.org/api-docs/ */
import { parseSeconds } from './duration.ts'
import { refusal, VaultFailure } from './failure.ts'
import type { Demand, OperationKind, Reply } from './operation.ts'

const HEADERS = {
  'cache-control': 'no-store',
  'content-type': 'application/json',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
}

/** Paths whose data stands beside the envelope too, as before Vault had envelopes. */
const FLAT =
  /^sys\/(?:auth|mounts|policy|config\/auditing\/request-headers)(?:\/|$)|^sys\/capabilities(?:-self)?$/

const KINDS: Readonly<Record<string, OperationKind>> = {
  GET: 'read',
  LIST: 'list',
  DELETE: 'delete',
  POST: 'update',
  PUT: 'update',
  PATCH: 'patch',
}

/** Reads a request. @throws VaultFailure when it does not speak Vault's protocol */
export async function readDemand(request: Request, id: string): Promise<Demand> {
  const url = new URL(request.url)
  const path = decodePath(url.pathname.slice('/v1/'.length))
  const kind = KINDS[request.method]
  if (!kind) throw new VaultFailure(405, '', false)
  const query = Object.fromEntries(url.searchParams)
  const isList = kind === 'list' || (kind === 'read' && query['list'] === 'true')
  delete query['list']
  return {
    id,
    kind: isList ? 'list' : kind,
    path: isList && !path.endsWith('/') ? `${path}/` : path,
    data: kind === 'update' || kind === 'patch' ? await readBody(request, kind) : query,
    tokenId: tokenOf(request.headers),
    wrapTtl: wrapTtlOf(request.headers),
  }
}

/** Seconds; less than one are none. */
function wrapTtlOf(headers: Headers): number {
  const name = 'X-Vault-Wrap-TTL'
  try {
    const seconds = parseSeconds(headers.get(name) ?? '')
    if (seconds < 0) throw refusal('requested wrap ttl cannot be negative')
    return seconds
  } catch (error) {
    const reason = error instanceof Error ? error.message : ''
    throw refusal(`error parsing ${name} header: ${reason}`)
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw refusal('')
  }
}

/** The JSON object of a body; an empty body is an empty object. @throws VaultFailure */
export async function readBody(
  request: Request,
  kind: OperationKind = 'update',
): Promise<Readonly<Record<string, unknown>>> {
  const [type = ''] = (request.headers.get('content-type') ?? '').split(';')
  if (kind === 'patch' && type !== 'application/merge-patch+json') {
    throw refusal(
      `PATCH requires Content-Type of application/merge-patch+json, provided ${type}`,
      415,
    )
  }
  const text = await request.text()
  if (text.trim() === '') return {}
  const parsed = parseJson(text)
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw refusal('error parsing JSON')
  return { ...parsed }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refusal('error parsing JSON')
  }
}

/** The token of a request, from either header. */
export function tokenOf(headers: Headers): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1]
  return headers.get('x-vault-token') ?? bearer
}

/** The namespace that a request names, without slashes; empty for the root. */
export function namespaceOf(headers: Headers): string {
  return (headers.get('x-vault-namespace') ?? '').replaceAll(/^\/+|\/+$/g, '')
}

/** Writes what a backend answered. */
export function writeReply(demand: Demand, reply: Reply | undefined): Response {
  if (reply && !isEmptyList(demand, reply)) return writeEnvelope(demand, reply)
  const isRead = demand.kind === 'read' || demand.kind === 'list'
  return isRead ? writeFailure(refusal('', 404)) : writeEmpty()
}

/** Vault answers a list of nothing as if there were no such path. */
export function isEmptyList({ kind }: Pick<Demand, 'kind'>, { data }: Reply): boolean {
  const keys = data?.['keys']
  return kind === 'list' && Array.isArray(keys) && keys.length === 0
}

function writeEnvelope({ id, path }: Demand, reply: Reply): Response {
  const { status = 200, data, auth = null, warnings = [], wrapInfo } = reply
  return writeJson(status, {
    ...(FLAT.test(path) ? data : {}),
    // Vault itself forgets the id of a request whose answer it wraps.
    request_id: wrapInfo ? '' : (reply.requestId ?? id),
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: data ?? null,
    wrap_info: wrapInfo ?? null,
    warnings: warnings.length === 0 ? null : warnings,
    auth,
  })
}

/** Writes an error; an empty message is an empty list. */
export function writeFailure({ status, message }: VaultFailure): Response {
  return writeJson(status, { errors: message === '' ? [] : [message] })
}

/** Writes a JSON body. */
export function writeJson(status: number, body: unknown): Response {
  return new Response(`${JSON.stringify(body)}\n`, { status, headers: HEADERS })
}

/** Sends a client to the active node. */
export function writeRedirect(url: URL): Response {
  return new Response(null, { status: 307, headers: { ...HEADERS, location: url.href } })
}

/** Success without anything to say. */
export function writeEmpty(): Response {
  return new Response(null, { status: 204, headers: HEADERS })
}
