/** The `sys` endpoints that answer while Vault is sealed, or not even initialised. */
import { refusal, VaultFailure } from '../core/failure.ts'
import { readBody, writeEmpty, writeJson } from '../core/http.ts'
import type { World } from '../core/operation.ts'
import { isShareLength, type Seal } from './seal.ts'

/** What these endpoints need of Vault. */
export interface StatusDeps {
  readonly seal: Seal
  /** Address of the active node, where this one is a standby. */
  readonly activeUrl: string | undefined
  readonly clock: World['clock']
  readonly cluster: { readonly name: string; readonly id: string }
  /** Fresh root token of an initialisation. */
  readonly createRootToken: () => string
  /** @throws VaultFailure 403 unless the request's token may `update` the path and has `sudo` on it */
  readonly demandSudo: (headers: Headers, path: string) => void
}

type Endpoint = (request: Request, deps: StatusDeps) => Response | Promise<Response>

const VERSION = '2.4.0'

/** Endpoints by path and method; a method that is missing is 405. */
const ENDPOINTS: Readonly<Record<string, Readonly<Record<string, Endpoint>>>> = {
  'sys/health': { GET: health, HEAD: health },
  'sys/init': { GET: readInit, PUT: initialize, POST: initialize },
  'sys/seal-status': { GET: (_, deps) => sealStatus(deps) },
  'sys/leader': { GET: leader },
  'sys/seal': { PUT: close, POST: close },
  'sys/unseal': { PUT: unseal, POST: unseal },
}

const ANY_NAMESPACE: ReadonlySet<string> = new Set(['sys/seal-status', 'sys/leader'])

/** Answers `path`, or undefined where it is not one of these endpoints. @throws VaultFailure */
export async function answerStatus(
  path: string,
  namespace: string,
  request: Request,
  deps: StatusDeps,
): Promise<Response | undefined> {
  const methods = ENDPOINTS[path]
  if (!methods) return undefined
  if (namespace !== '' && !ANY_NAMESPACE.has(path)) {
    throw refusal('operation unavailable in namespaces')
  }
  const endpoint = methods[request.method]
  if (!endpoint) throw new VaultFailure(405, '', false)
  return endpoint(request, deps)
}

function health(request: Request, { seal, activeUrl, clock, cluster }: StatusDeps): Response {
  const isStandby = activeUrl !== undefined
  const { initialized, sealed } = seal.state()
  const mode = sealed ? 'unknown' : 'disabled'
  const body = {
    initialized,
    sealed,
    standby: sealed || isStandby,
    performance_standby: false,
    replication_performance_mode: mode,
    replication_dr_mode: mode,
    server_time_utc: Math.floor(clock() / 1000),
    version: VERSION,
    ...(sealed ? {} : { cluster_name: cluster.name, cluster_id: cluster.id }),
  }
  const response = writeJson(
    healthCode(new URL(request.url), { initialized, sealed, isStandby }),
    body,
  )
  return request.method === 'HEAD' ? new Response(null, response) : response
}

interface NodeState {
  readonly initialized: boolean
  readonly sealed: boolean
  readonly isStandby: boolean
}

function healthCode({ searchParams }: URL, { initialized, sealed, isStandby }: NodeState): number {
  const code = (name: string, usual: number): number => {
    const asked = searchParams.get(name)
    if (asked === null) return usual
    if (!/^\d+$/.test(asked)) throw refusal('')
    return Number(asked)
  }
  if (!initialized) return code('uninitcode', 501)
  if (sealed) return code('sealedcode', 503)
  const isAccepted = /^(?:true|1)$/.test(searchParams.get('standbyok') ?? '')
  return isStandby && !isAccepted ? code('standbycode', 429) : code('activecode', 200)
}

function readInit(_: Request, deps: StatusDeps): Response {
  return writeJson(200, { initialized: deps.seal.state().initialized })
}

async function initialize(request: Request, deps: StatusDeps): Promise<Response> {
  const body = await readBody(request)
  const recovery = ['recovery_shares', 'recovery_threshold'].filter((name) => body[name])
  if (recovery.length > 0) {
    throw refusal(`parameters ${recovery.join(',')} not applicable to seal type shamir`)
  }
  const shares = deps.seal.initialize(
    integer(body, 'secret_shares'),
    integer(body, 'secret_threshold'),
  )
  return writeJson(200, {
    keys: shares.map((share) => Buffer.from(share).toString('hex')),
    keys_base64: shares.map((share) => Buffer.from(share).toString('base64')),
    root_token: deps.createRootToken(),
  })
}

function integer(body: Readonly<Record<string, unknown>>, name: string): number {
  const value = body[name] ?? 0
  if (typeof value === 'number' && Number.isInteger(value)) return value
  throw refusal(
    `failed to parse JSON input: json: cannot unmarshal ${typeof value} into Go struct field ` +
      `InitRequest.${name} of type int`,
  )
}

function sealStatus({ seal, cluster }: StatusDeps): Response {
  const { initialized, sealed, threshold, shares, progress, nonce } = seal.state()
  return writeJson(200, {
    type: 'shamir',
    initialized,
    sealed,
    t: threshold,
    n: shares,
    progress,
    nonce,
    version: VERSION,
    build_date: '',
    migration: false,
    ...(sealed ? {} : { cluster_name: cluster.name, cluster_id: cluster.id }),
    recovery_seal: false,
    storage_type: 'inmem',
  })
}

function leader(): Response {
  return writeJson(200, {
    ha_enabled: false,
    is_self: false,
    active_time: '0001-01-01T00:00:00Z',
    leader_address: '',
    leader_cluster_address: '',
  })
}

function close(request: Request, deps: StatusDeps): Response {
  // Sealing what is sealed succeeds, whoever asks.
  if (deps.seal.state().sealed) return writeEmpty()
  deps.demandSudo(request.headers, 'sys/seal')
  deps.seal.seal()
  return writeEmpty()
}

async function unseal(request: Request, deps: StatusDeps): Promise<Response> {
  const { key, reset } = await readBody(request)
  if (reset === true) {
    if (!deps.seal.state().sealed) throw refusal('vault is unsealed')
    deps.seal.reset()
  } else {
    deps.seal.unseal(decodeShare(key))
  }
  return sealStatus(deps)
}

function decodeShare(key: unknown): Uint8Array {
  if (typeof key !== 'string' || key === '') {
    throw refusal("'key' must be specified in request body as JSON, or 'reset' set to true")
  }
  const fromHex = /^(?:[0-9a-fA-F]{2})+$/.test(key) ? Buffer.from(key, 'hex') : undefined
  // A text can be both: it is hex only where that gives a possible share.
  if (fromHex && isShareLength(fromHex.length)) return fromHex
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(key)) {
    return Buffer.from(key, 'base64')
  }
  throw refusal("'key' must be a valid hex or base64 string")
}
