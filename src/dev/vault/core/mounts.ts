import { refusal } from './failure.ts'
import type { Backend, World } from './operation.ts'
import { randomUuid } from './random.ts'

/** Makes a backend of one type for a new mount. */
export type BackendFactory = (world: World) => Backend

/** Backends by the `type` that `sys/mounts` or `sys/auth` is asked for. */
export type Catalogue = Readonly<Record<string, BackendFactory>>

/** One mounted backend. */
export interface Mount {
  /** With its slash, below `/v1/`: `transit/`, `auth/kubernetes/`. */
  readonly path: string
  readonly type: string
  readonly description: string
  readonly accessor: string
  readonly uuid: string
  readonly options: Readonly<Record<string, string>> | null
  /** Part of Vault itself. */
  readonly isFixed: boolean
  readonly backend: Backend
}

/** What a mount is asked to be. */
export interface MountRequest {
  /** Without slashes at its ends. */
  readonly path: string
  readonly type: string
  readonly description: string
  readonly options: Readonly<Record<string, string>>
}

/** All mounts of one table: the secrets engines, or the auth methods. */
export interface MountTable {
  list(): readonly Mount[]
  get(path: string): Mount | undefined
  /** @throws VaultFailure when the path is taken or protected, or the type is unknown */
  enable(request: MountRequest): void
  disable(path: string): void
  /** Gives a mount that there is another description. */
  describe(path: string, description: string): void
  /** Mounts what is part of Vault itself. */
  fix(request: MountRequest, backend: Backend): void
}

/** Names of the built-in mounts that nobody may touch. */
const PROTECTED: ReadonlySet<string> = new Set(['sys', 'auth', 'audit', 'cubbyhole', 'identity'])

/** Opens a table; `prefix` is `` for secrets engines and `auth/` for auth methods. */
export function createMountTable(
  prefix: '' | 'auth/',
  catalogue: Catalogue,
  world: World,
): MountTable {
  const mounts = new Map<string, Mount>()
  const add = (request: MountRequest, backend: Backend, isFixed = false): void => {
    mounts.set(`${request.path}/`, {
      ...request,
      path: `${prefix}${request.path}/`,
      accessor: `${prefix === '' ? '' : 'auth_'}${request.type}_${shortId(world)}`,
      uuid: randomUuid(world.randomBytes),
      options: isFixed ? null : request.options,
      isFixed,
      backend,
    })
  }
  return {
    list: () => [...mounts.values()],
    get: (path) => mounts.get(`${path}/`),
    fix: (request, backend) => add(request, backend, true),
    enable(request) {
      if (request.type === '') throw refusal('backend type must be specified as a string')
      const first = request.path.split('/')[0] ?? ''
      if (prefix === '' && PROTECTED.has(first)) throw refusal(`cannot mount "${request.path}/"`)
      const factory = catalogue[request.type]
      const taken = [...mounts.keys()].find((path) => overlaps(path, `${request.path}/`))
      if (taken) throw refusal(`path is already in use at ${taken}`)
      if (!factory) throw refusal(`plugin not found in the catalog: ${request.type}`)
      add(request, factory(world))
    },
    describe(path, description) {
      const mount = mounts.get(`${path}/`)
      if (mount) mounts.set(`${path}/`, { ...mount, description })
    },
    disable(path) {
      if (prefix === '' && PROTECTED.has(path)) throw refusal(`cannot unmount "${path}/"`)
      if (prefix !== '' && path === 'token') {
        throw refusal('token credential backend cannot be disabled')
      }
      mounts.delete(`${path}/`)
    },
  }
}

function overlaps(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a)
}

function shortId({ randomBytes }: World): string {
  return Buffer.from(randomBytes(4)).toString('hex')
}
