/** What is served beside resources: health, version, discovery, the token issuer's keys. */
import type { Answer } from './answer.ts'
import { RESOURCES, type Cluster } from './cluster.ts'
import type { PathAttributes } from './rbac.ts'
import { methodNotAllowed } from './status.ts'
import { ISSUER } from './tokens.ts'

/** Answers a path that is no resource; `origin` is where this server is reached. */
export function servePath(
  cluster: Cluster,
  { path, verb }: PathAttributes,
  origin: string,
): Answer {
  const serve = PATHS.get(path.length > 1 ? path.replace(/\/$/, '') : path)
  if (serve === undefined) return NOTHING
  if (verb !== 'get') throw methodNotAllowed()
  return serve(cluster, origin)
}

/** What Go's mux answers where nothing is registered. */
export const NOTHING: Answer = { status: 404, body: '404 page not found\n' }

const VERSION = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.3',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'go1.26.8',
  compiler: 'gc',
  platform: 'linux/amd64',
}

const GROUPS = [
  'authentication.k8s.io',
  'authorization.k8s.io',
  'batch',
  'rbac.authorization.k8s.io',
]

type Serve = (cluster: Cluster, origin: string) => Answer

const HEALTHY: Serve = () => ({ status: 200, body: 'ok' })

const JWKS: Serve = ({ signer }) => ({
  status: 200,
  body: signer.jwks,
  contentType: 'application/jwk-set+json',
})

const PATHS: ReadonlyMap<string, Serve> = new Map<string, Serve>([
  ['/healthz', HEALTHY],
  ['/livez', HEALTHY],
  ['/readyz', HEALTHY],
  ['/version', constant(VERSION)],
  ['/openid/v1/jwks', JWKS],
  [
    '/.well-known/openid-configuration',
    (_cluster, origin) => ({ status: 200, body: issuerMetadata(origin) }),
  ],
  ['/api', constant({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] })],
  ['/api/v1', constant(resourceList('', 'v1'))],
  ['/apis', constant({ kind: 'APIGroupList', apiVersion: 'v1', groups: GROUPS.map(groupOf) })],
  ...GROUPS.flatMap((group): [string, Serve][] => [
    [`/apis/${group}`, constant(groupOf(group))],
    [`/apis/${group}/v1`, constant(resourceList(group, `${group}/v1`))],
  ]),
])

function constant(body: object): Serve {
  return () => ({ status: 200, body })
}

function issuerMetadata(origin: string): object {
  return {
    issuer: ISSUER,
    jwks_uri: `${origin}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}

function groupOf(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: 'v1' }
  return {
    kind: 'APIGroup',
    apiVersion: 'v1',
    name,
    versions: [version],
    preferredVersion: version,
  }
}

function resourceList(group: string, groupVersion: string): object {
  const own = [...RESOURCES.values()].filter((resource) => resource.group === group)
  const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update']
  const resources = own.map(({ name, kind, namespaced }) => ({
    name,
    singularName: kind.toLowerCase(),
    namespaced,
    kind,
    verbs,
  }))
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources }
}
