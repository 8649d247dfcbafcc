/** The rules of a provision file, held against the interfaces of what is written. */
import { isDnsLabel } from '../lib/names.ts'
import { isRecord } from '../lib/record.ts'
import {
  check,
  group,
  leaf,
  listOf,
  optional,
  withDefault,
  WRONG,
  type Checked,
  type OutputOf,
  type Rule,
} from './check.ts'
import type { Problem } from './problems.ts'
import { appRule } from './provision-file-app.ts'
import { agreeAll } from './provision-file-names.ts'
import { isSchedule } from './provision-file-schedule.ts'
import { definitionsWith } from './provision-file-secrets.ts'
import type {
  AppInput,
  ClusterInput,
  ProvisionFileInput,
  RenewInput,
  ReviewerInput,
  VaultInput,
} from './provision-file-types.ts'
import type { ClusterSpec, ProvisionFile, ReviewerSpec } from './provision-spec.ts'
import {
  DEFAULT_CLUSTER,
  duration,
  filePath,
  mountPath,
  namespace,
  oneOf,
  serviceAccount,
  text,
  trueOrFalse,
} from './rules.ts'
import { isPlainHttpAbroad, readVaultUrl } from './url.ts'

const YEAR_MS = 365 * 86_400_000

const VAULT = group<VaultInput>()({
  transitMount: withDefault(mountPath('the mount path of the Transit engine'), 'transit'),
  auditCorrelationId: withDefault(trueOrFalse, true),
})

const RENEW = group<RenewInput>()({
  image: text('must be the name of an image', (value) => /^[\w./:@-]{1,512}$/.test(value)),
  schedule: withDefault(
    text('must be a schedule of cron, such as "17 3 * * 1"', isSchedule),
    '17 3 * * 1',
  ),
  vaultUrl: optional(leaf(readSecureUrl)),
})

function readSecureUrl(value: unknown): ReturnType<typeof readVaultUrl> {
  const reading = readVaultUrl(value)
  const isPlain = 'value' in reading && isPlainHttpAbroad(reading.value)
  return isPlain ? { says: 'must begin with https://' } : reading
}

const OWN_REVIEWER: ReviewerSpec = {
  namespace: 'kube-system',
  serviceAccount: 'secretmanager-reviewer',
  expiresInMs: YEAR_MS,
  renew: undefined,
}

const REVIEWER = group<ReviewerInput>()({
  namespace: withDefault(namespace, OWN_REVIEWER.namespace),
  serviceAccount: withDefault(serviceAccount, OWN_REVIEWER.serviceAccount),
  expiresIn: withDefault(duration(600_000, YEAR_MS), OWN_REVIEWER.expiresInMs),
  renew: optional(RENEW),
})

/** `true` stands for one with every default, `false` for none. */
const reviewer: Rule<boolean | ReviewerInput, ReviewerSpec | undefined> = {
  read(value, path, problems) {
    if (value === false) return undefined
    if (value === true) return OWN_REVIEWER
    const read = REVIEWER.read(value, path, problems)
    if (read === WRONG) return WRONG
    const { expiresIn, ...names } = read
    return { ...names, expiresInMs: expiresIn }
  },
}

const CLUSTER = group<ClusterInput>()(
  {
    name: withDefault(
      text('must be the name of a cluster: at most 63 of a-z, 0-9 and "-"', isDnsLabel),
      DEFAULT_CLUSTER,
    ),
    context: optional(
      text('must be the name of a context of the kubeconfig', (value) => value !== ''),
    ),
    auth: withDefault(oneOf('must be jwt or kubernetes', ['jwt', 'kubernetes']), 'jwt'),
    mount: optional(mountPath('the mount path of the auth method')),
    audience: withDefault(
      text('must be an audience: letters, digits, "_", ".", ":", "/" and "-"', (value) =>
        /^[\w.:/-]{1,253}$/.test(value),
      ),
      'vault',
    ),
    server: optional(leaf(readServer)),
    ca: optional(filePath),
    reviewer: optional(reviewer),
    adopt: withDefault(trueOrFalse, false),
    createNamespaces: withDefault(trueOrFalse, false),
    scan: optional(scanRule()),
    secrets: withDefault(definitionsWith({}), []),
  },
  { agree: agreeCluster },
)

function readServer(value: unknown): ReturnType<typeof readVaultUrl> {
  if ('value' in readVaultUrl(value)) return readSecureUrl(value)
  return { says: 'must be the address of the API server, such as https://10.0.0.2:16443' }
}

function scanRule(): Rule<boolean | readonly string[], true | readonly string[]> {
  const says = 'must be true, false or a list of namespaces'
  const some = listOf(says, namespace)
  return {
    read: (value, path, problems) =>
      typeof value === 'boolean' ? value || [] : some.read(value, path, problems),
  }
}

/** These say how Vault asks the cluster, which it does with `kubernetes` alone. */
const OF_TOKEN_REVIEW = ['server', 'ca', 'reviewer'] as const

function agreeCluster(
  sound: Partial<Record<(typeof OF_TOKEN_REVIEW)[number] | 'auth', unknown>>,
): readonly Problem[] {
  if (sound.auth !== 'jwt') return []
  return OF_TOKEN_REVIEW.filter((key) => key in sound && sound[key] !== undefined).map((path) => ({
    path,
    says: 'has a meaning with auth: kubernetes alone',
  }))
}

const clusterRule: Rule<ClusterInput, ClusterSpec> = {
  read(value, path, problems) {
    const read = CLUSTER.read(value, path, problems)
    if (read === WRONG) return WRONG
    const { auth, name, mount = `${auth}-${name}`, scan = [] } = read
    // `false` has become undefined by now, too.
    const isLeftOut = isRecord(value) && value['reviewer'] === undefined
    const own = isLeftOut && auth === 'kubernetes' && !read.adopt
    return { ...read, mount, scan, reviewer: own ? OWN_REVIEWER : read.reviewer }
  },
}

const FILE = group<ProvisionFileInput>()({
  vault: withDefault(VAULT, { transitMount: 'transit', auditCorrelationId: true }),
  clusters: optional(listOf('must be a list of clusters', clusterRule)),
  apps: withDefault(
    listOf<AppInput, OutputOf<typeof appRule>>('must be a list of apps', appRule),
    [],
  ),
  files: withDefault(listOf('must be a list of files and directories', filePath), []),
})

const fileRule: Rule<ProvisionFileInput, ProvisionFile> = {
  read(value, path, problems) {
    const file = FILE.read(value, path, problems)
    if (file === WRONG) return WRONG
    // Only what is sound by itself can be compared.
    problems.push(...agreeAll(file.clusters, file.apps))
    return complete(file)
  },
}

/** Checks a parsed provision file, and gives it with every default filled in. */
export function checkProvisionFile(value: unknown): Checked<ProvisionFile> {
  return check(fileRule, value)
}

function complete({ vault, clusters, apps, files }: OutputOf<typeof FILE>): ProvisionFile {
  const all = clusters ?? [theDefault()]
  const names = all.map(({ name }) => name)
  return {
    ...vault,
    clusters: all,
    apps: apps.map((app) => ({ ...app, clusters: app.clusters ?? names })),
    files,
  }
}

function theDefault(): ClusterSpec {
  const { output } = check(clusterRule, {})
  if (output === undefined) throw new TypeError('the default cluster is not valid')
  return output
}
