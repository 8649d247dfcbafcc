import { isDnsLabel, isRoleName, isTransitKey } from '../lib/names.ts'
import { isRecord } from '../lib/record.ts'
import { group, listOf, optional, withDefault, WRONG, type OutputOf, type Rule } from './check.ts'
import type { Definition } from './definition.ts'
import type { Problem } from './problems.ts'
import { definitionsWith } from './provision-file-secrets.ts'
import type { AccessInput, AppInput, SecretInput } from './provision-file-types.ts'
import type { AccessSpec, AppSpec } from './provision-spec.ts'
import { duration, namespace, serviceAccount, text, trueOrFalse } from './rules.ts'

/** An app whose clusters may still have to be filled in. */
export interface AppOfFile extends Omit<AppSpec, 'clusters'> {
  readonly clusters: readonly string[] | undefined
}

const HOUR_MS = 3_600_000

/** Vault writes them in lower case itself, and a role would then name another policy than was asked for. */
const isVaultName = (value: string): boolean => isRoleName(value) && value === value.toLowerCase()

const role = text('must be the name of a role: a-z, 0-9, "_", "." and "-"', isVaultName)

const policy = text(
  'must be the name of a policy of its own: a-z, 0-9, "_", "." and "-"',
  (value) => isVaultName(value) && value !== 'root' && value !== 'default',
)

const ACCESS = group<AccessInput>()({
  serviceAccount: optional(serviceAccount),
  role: optional(role),
  policy: optional(policy),
  create: withDefault(trueOrFalse, false),
  list: withDefault(trueOrFalse, false),
})

type Access = OutputOf<typeof ACCESS>

const NOTHING_SAID: Access = {
  serviceAccount: undefined,
  role: undefined,
  policy: undefined,
  create: false,
  list: false,
}

/** `true` stands for one with every default, `false` for none. */
const access: Rule<boolean | AccessInput, Access | false> = {
  read(value, path, problems) {
    if (typeof value === 'boolean') return value && NOTHING_SAID
    return ACCESS.read(value, path, problems)
  },
}

/** Definitions are read by what the app says of itself, so not by this group. */
const secretsLater: Rule<readonly SecretInput[], undefined> = { read: () => undefined }

const APP = group<AppInput>()({
  name: text('must be the name of an app: at most 63 of a-z, 0-9 and "-"', isDnsLabel),
  namespace,
  clusters: optional(
    listOf('must be a list of clusters', text('must be the name of a cluster', isDnsLabel)),
  ),
  serviceAccount: optional(serviceAccount),
  transitKey: optional(
    text('must be the name of a Transit key: letters, digits, "_", "." and "-"', isTransitKey),
  ),
  autoRotatePeriod: optional(duration(HOUR_MS, 3650 * 24 * HOUR_MS)),
  role: optional(role),
  policy: optional(policy),
  writer: withDefault(access, NOTHING_SAID),
  rotator: withDefault(access, NOTHING_SAID),
  adopt: withDefault(trueOrFalse, false),
  tokenRequest: withDefault(trueOrFalse, true),
  secrets: optional(secretsLater),
})

/** One app of the file. */
export const appRule: Rule<AppInput, AppOfFile> = {
  read(value, path, problems) {
    const app = APP.read(value, path, problems)
    const secrets = readSecrets(value, path, problems)
    return app === WRONG || secrets === WRONG ? WRONG : complete(app, secrets)
  },
}

function readSecrets(
  value: unknown,
  path: string,
  problems: Problem[],
): readonly Definition[] | typeof WRONG {
  const app: Readonly<Record<string, unknown>> = isRecord(value) ? value : {}
  const list = Object.hasOwn(app, 'secrets') ? app['secrets'] : undefined
  if (list === undefined) return []
  const { name, namespace: home, transitKey = name } = app
  const defaults = {
    // What is wrong with the app is said once, and not of each of its documents again.
    namespace: typeof home === 'string' && isDnsLabel(home) ? home : 'any',
    transitKey: typeof transitKey === 'string' && isTransitKey(transitKey) ? transitKey : 'any',
  }
  return definitionsWith(defaults).read(list, path === '' ? 'secrets' : `${path}.secrets`, problems)
}

function complete(app: OutputOf<typeof APP>, secrets: readonly Definition[]): AppOfFile {
  const { name, autoRotatePeriod } = app
  const { serviceAccount: own = name, transitKey = name } = app
  const { role: reads = name, policy: readers = `${name}-reader` } = app
  return {
    name,
    namespace: app.namespace,
    clusters: app.clusters,
    serviceAccount: own,
    transitKey,
    autoRotatePeriodMs: autoRotatePeriod,
    reader: { serviceAccount: own, role: reads, policy: readers, extra: [] },
    writer: accessOf(app.writer, `${name}-writer`),
    rotator: accessOf(app.rotator, `${name}-rotator`),
    adopt: app.adopt,
    tokenRequest: app.tokenRequest,
    secrets,
  }
}

function accessOf(said: Access | false, name: string): AccessSpec | undefined {
  if (said === false) return undefined
  const { serviceAccount: account = name, role: does = name, policy: may = name } = said
  const extra = (['create', 'list'] as const).filter((each) => said[each])
  return { serviceAccount: account, role: does, policy: may, extra }
}
