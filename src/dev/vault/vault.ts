/**
 * An embedded Vault that answers exactly like OpenBao 2.4.0, within what it knows.
 *
 * It knows the `sys` endpoints of initialisation, seal, mounts, policies and capabilities, tokens,
 * response wrapping, Transit with `aes256-gcm96` keys, and Kubernetes, JWT and AppRole auth. It has no sockets and keeps everything in
 * memory: for tests and for trying things out, never for secrets that matter. What it answers is
 * held to a real server by `test/contracts/vault.ts`.
 */
import { createAppRoleBackend } from './approle/backend.ts'
import { handleDemand, type CoreDeps } from './core/core.ts'
import { multierror, refusal, VaultFailure } from './core/failure.ts'
import {
  namespaceOf,
  readDemand,
  tokenOf,
  writeFailure,
  writeRedirect,
  writeReply,
} from './core/http.ts'
import { createMountTable, type Catalogue, type Mount, type MountTable } from './core/mounts.ts'
import type { World } from './core/operation.ts'
import { backendOf } from './core/paths.ts'
import { randomUuid } from './core/random.ts'
import { createJwtBackend } from './jwt/backend.ts'
import { createKubernetesBackend } from './kubernetes/backend.ts'
import type { SendToKubernetes } from './kubernetes/token-review.ts'
import { createPolicyStore } from './policy/store.ts'
import { createSysBackend } from './sys/backend.ts'
import { createSeal, type Seal } from './sys/seal.ts'
import { answerStatus, type StatusDeps } from './sys/status.ts'
import { createTokenBackend } from './token/paths.ts'
import { TokenStore } from './token/store.ts'
import { createTransitBackend } from './transit/backend.ts'
import { createWrappings } from './wrapping/wrappings.ts'

/** How to start an embedded Vault. */
export interface VaultOptions {
  /** Unix milliseconds; tests move it to let tokens expire. */
  readonly clock: () => number
  /** Keys, nonces and tokens come from it: anything but a real generator makes them guessable. */
  readonly randomBytes: (size: number) => Uint8Array
  /** Reaches the API server for TokenReview: an embedded Kubernetes, or `fetch`. Absent: nobody can log in. */
  readonly kubernetes?: SendToKubernetes | undefined
  /** `dev` (default) is initialised, unsealed and has a root token; `sealed` has one too, but locked in. */
  readonly start?: 'dev' | 'sealed' | 'uninitialized' | undefined
  /** Id of the first root token. Default: random. */
  readonly rootToken?: string | undefined
  /** Makes this a standby of the node with this URL: its health is 429, the rest is a redirect (307). */
  readonly activeUrl?: string | undefined
}

/** A running embedded Vault. */
export interface EmbeddedVault {
  /** Answers one request; never rejects for what the request asks. */
  readonly handle: (request: Request) => Promise<Response>
  /** Empty when started uninitialised: `sys/init` gives one. */
  readonly rootToken: string
  /** Base64 shares of the unseal key; none when started uninitialised. */
  readonly unsealKeys: readonly string[]
}

/** Starts an embedded Vault. */
export function createVault(options: VaultOptions): EmbeddedVault {
  const { clock, randomBytes, kubernetes = unreachable, start = 'dev', activeUrl } = options
  const world: World = { clock, randomBytes }
  const core = createCore(world, kubernetes)
  const status = statusOf(core, world, activeUrl)
  const shares = start === 'uninitialized' ? [] : status.seal.initialize(1, 1)
  const look = { ...ROOT_OF_DEV, id: options.rootToken }
  const rootToken = start === 'uninitialized' ? '' : createRootToken(core.tokens, look)
  if (start === 'dev') for (const share of shares) status.seal.unseal(share)
  return {
    rootToken,
    unsealKeys: shares.map((share) => Buffer.from(share).toString('base64')),
    handle: async (request) => dated(await answer(request, core, status, world), clock()),
  }
}

/** Clients tell from it how far their own clock is off. */
function dated(response: Response, now: number): Response {
  response.headers.set('date', new Date(now).toUTCString())
  return response
}

async function unreachable(): Promise<Response> {
  return new Response(null, { status: 502 })
}

function createCore(world: World, kubernetes: SendToKubernetes): CoreDeps {
  const engineTypes: Catalogue = { transit: createTransitBackend }
  const methodTypes: Catalogue = {
    kubernetes: (own) => createKubernetesBackend(own, kubernetes),
    approle: createAppRoleBackend,
    jwt: createJwtBackend,
  }
  const engines = createMountTable('', engineTypes, world)
  const methods = createMountTable('auth/', methodTypes, world)
  const policies = createPolicyStore(world)
  const tokens = new TokenStore(world)
  const wrappings = createWrappings(world, tokens)
  const mountOf = (path: string): Mount | undefined => longestMount([engines, methods], path)
  engines.fix(
    fixed('sys', 'system', 'system endpoints used for control, policy and debugging'),
    createSysBackend({ engines, methods, policies, tokens, wrappings }),
  )
  engines.fix(fixed('identity', 'identity', 'identity store'), backendOf([]))
  engines.fix(fixed('cubbyhole', 'cubbyhole', 'per-token private secret storage'), backendOf([]))
  methods.fix(
    fixed('token', 'token', 'token based credentials'),
    createTokenBackend({
      tokens,
      clock: world.clock,
      policyExists: (name) => policies.get(name) !== undefined,
      paramsOf: (token) => mountOf(token.path)?.backend.paramsOf?.(token),
    }),
  )
  return { tokens, policies, wrappings, mountOf }
}

function fixed(path: string, type: string, description: string): Parameters<MountTable['fix']>[0] {
  return { path, type, description, options: {} }
}

function longestMount(tables: readonly MountTable[], path: string): Mount | undefined {
  return tables
    .flatMap((table) => table.list())
    .filter((mount) => path.startsWith(mount.path))
    .toSorted((a, b) => a.path.length - b.path.length)
    .at(-1)
}

/** A root token of `sys/init` is not a child of any other; that of a dev server looks like one. */
const ROOT_OF_INIT = { path: 'auth/token/root', displayName: 'root' }
const ROOT_OF_DEV = { path: 'auth/token/create', displayName: 'token' }

function createRootToken(
  tokens: TokenStore,
  look: { readonly path: string; readonly displayName: string; readonly id?: string | undefined },
): string {
  const root = { type: 'service', policies: ['root'], ttl: 0, renewable: false } as const
  return tokens.create({ ...root, ...look }).id
}

function statusOf(core: CoreDeps, world: World, activeUrl: string | undefined): StatusDeps {
  const seal: Seal = createSeal(world)
  const id = randomUuid(world.randomBytes)
  return {
    seal,
    activeUrl,
    clock: world.clock,
    cluster: { name: `vault-cluster-${id.slice(0, 8)}`, id },
    createRootToken: () => createRootToken(core.tokens, ROOT_OF_INIT),
    demandSudo: (headers, path) => {
      const token = core.tokens.find(tokenOf(headers) ?? '')
      if (!token) throw refusal('permission denied', 403)
      const acl = core.policies.aclOf(token)
      const allowed = acl.allows({ kind: 'update', path, data: {} }) && acl.hasSudo(path)
      if (!allowed) throw refusal(multierror(['permission denied']), 403)
    },
  }
}

async function answer(
  request: Request,
  core: CoreDeps,
  status: StatusDeps,
  world: World,
): Promise<Response> {
  try {
    return await serve(request, core, status, world)
  } catch (error) {
    if (error instanceof VaultFailure) return writeFailure(error)
    throw error
  }
}

async function serve(
  request: Request,
  core: CoreDeps,
  status: StatusDeps,
  world: World,
): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  if (!pathname.startsWith('/v1/')) throw refusal('', 404)
  const namespace = namespaceOf(request.headers)
  const early = await answerStatus(pathname.slice('/v1/'.length), namespace, request, status)
  if (early) return early
  if (status.seal.state().sealed) throw refusal('Vault is sealed', 503)
  if (status.activeUrl !== undefined) {
    return writeRedirect(new URL(`${pathname}${search}`, status.activeUrl))
  }
  if (namespace !== '') throw refusal('namespace not found', 404)
  const demand = await readDemand(request, randomUuid(world.randomBytes))
  return writeReply(demand, await handleDemand(core, demand))
}
