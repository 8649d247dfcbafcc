/** Compares auth mounts and their configuration. */
import { isRecord, textOf, textsOf } from '../lib/record.ts'
import { changed, joined, verdict, type FieldChange, type Verdict, type Write } from './change.ts'
import { differing } from './compare.ts'
import type { VaultActual } from './actual.ts'
import type { ConfigItem, Fields, MethodItem } from './items.ts'
import { isDue, readRecord, withRecord, type MountRecord, type ReviewerTerm } from './record.ts'

/** Compares an auth mount, and refuses one of another cluster. */
export function diffMethod(item: MethodItem, { methods }: VaultActual): Verdict {
  const others = othersOf(item, methods)
  const there = methods.get(item.mount)
  if (there === undefined) {
    const body = { type: item.type, description: withRecord('', item.record) }
    const path = `sys/auth/${item.mount}`
    const write = { target: 'vault', method: 'POST', path, body, isRootPath: true } as const
    return joined([others, changed('vault', nameOf(item), 'create', [], [write])])
  }
  return joined([others, diffKnown(item, there)])
}

function nameOf({ mount }: MethodItem | ConfigItem): string {
  return `auth mount ${mount}`
}

function diffKnown(item: MethodItem, there: Fields): Verdict {
  const what = nameOf(item)
  const type = textOf(there['type'])
  if (type !== item.type) {
    return conflict(`${what} is of type ${type}, not ${item.type}: name another with mount`)
  }
  const description = textOf(there['description'])
  const known = readRecord(description)
  if (known) return belongs(item, known)
  if (!item.adopt) return conflict(`${what} was not set up by provision: ${ADOPT}`)
  const body = { description: withRecord(description, item.record) }
  const path = `sys/auth/${item.mount}/tune`
  const write = { target: 'vault', method: 'POST', path, body, isRootPath: true } as const
  return changed('vault', what, 'update', differing(body, { description }), [write])
}

const ADOPT = 'set adopt: true of the cluster to keep what it is set up with, or name another mount'

function belongs(item: MethodItem, known: MountRecord): Verdict {
  const what = nameOf(item)
  const { cluster, uid } = item.record
  if (known.cluster !== cluster) {
    return conflict(`${what} is that of the cluster ${known.cluster}, not of ${cluster}`)
  }
  if (known.uid === uid) return changed('vault', what, 'same')
  return conflict(
    `${what} was set up for another cluster than the context leads to ` +
      `(its kube-system is ${known.uid}, here it is ${uid}): check clusters[].context of ${cluster}`,
  )
}

/** One cluster under two names would have documents that are bound to either. */
function othersOf({ mount, record }: MethodItem, methods: VaultActual['methods']): Verdict {
  const same = [...methods].flatMap(([path, row]) => {
    const known = readRecord(textOf(row['description']))
    return path !== mount && known?.uid === record.uid ? [{ path, cluster: known.cluster }] : []
  })
  return joined(
    same.map(({ path, cluster }) =>
      cluster === record.cluster
        ? verdict({ notes: [{ about: `auth mount ${path}`, says: TOO, isRisk: false }] })
        : conflict(
            `the context of ${record.cluster} leads to the cluster that auth mount ${path} calls ` +
              `${cluster}: check clusters[].context`,
          ),
    ),
  )
}

const TOO = 'is of the same cluster, too: disable it once nobody logs in there'

/** What decides whether the reviewer's token is still good. */
export interface ReviewerFacts {
  /** Unix milliseconds. */
  readonly now: number
  /** Its ServiceAccount, as the cluster has it; absent: it is not there. */
  readonly account: Fields | undefined
}

/** Compares what an auth mount is configured with; its mount is compared before. */
export function diffConfig(
  item: ConfigItem,
  actual: VaultActual,
  reviewing: ReviewerFacts,
): Verdict {
  const there = actual.at.get(`auth/${item.mount}/config`)
  const what = `configuration of ${item.mount}`
  if (there !== undefined && item.adopt) {
    const says = 'stays as it was set up'
    const notes = [{ about: what, says, isRisk: false }]
    return { ...changed('vault', what, 'keep'), notes }
  }
  const obstacle = missing(item) ?? otherSource(item, there ?? {})
  return obstacle === undefined
    ? diffOwn(item, there, actual, reviewing)
    : conflict(`${what}: ${obstacle}`)
}

function diffOwn(
  item: ConfigItem,
  there: Fields | undefined,
  actual: VaultActual,
  reviewing: ReviewerFacts,
): Verdict {
  const what = `configuration of ${item.mount}`
  const fields = [
    ...differing(item.fields, there ?? {}),
    ...reviewerChanges(item, actual, reviewing),
  ]
  if (there !== undefined && fields.length === 0) return changed('vault', what, 'same')
  const action = there === undefined ? 'create' : 'update'
  const write = writeOf(item, there, actual)
  return changed('vault', what, action, there === undefined ? [] : fields, [write])
}

function missing({ type, fields }: ConfigItem): string | undefined {
  if (type === 'jwt' && textsOf(fields['jwt_validation_pubkeys']).length === 0) {
    return 'the cluster publishes no key for its tokens at /openid/v1/jwks'
  }
  if (type === 'kubernetes' && fields['kubernetes_ca_cert'] === undefined) {
    return 'the CA of the API server is not known: name it with clusters[].ca'
  }
  return undefined
}

/** Where JWTs are trusted by something else, that is somebody's decision. */
function otherSource({ type }: ConfigItem, there: Fields): string | undefined {
  if (type !== 'jwt') return undefined
  const source = ['oidc_discovery_url', 'jwks_url', 'jwks_pairs'].find(
    (name) => textOf(there[name]) !== '' || isFilled(there[name]),
  )
  return source && `it trusts by ${source}: set adopt: true of the cluster, or name another mount`
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}

function reviewerChanges(
  { mount, reviewer }: ConfigItem,
  { at, methods }: VaultActual,
  { now, account }: ReviewerFacts,
): readonly FieldChange[] {
  if (reviewer === undefined) return []
  const there = at.get(`auth/${mount}/config`) ?? {}
  const term = readRecord(descriptionOf(mount, methods))?.reviewer
  // Older servers do not say whether there is one.
  const isGone = there['token_reviewer_jwt_set'] === false
  const isGood = term !== undefined && !isDue(term, now) && !isOlder(term, account)
  if (isGood && !isGone) return []
  const from = term && `until ${new Date(term.until).toISOString()}`
  return [{ field: 'token_reviewer_jwt', ...(from !== undefined && { from }), to: 'a new one' }]
}

/** Its clock may differ from ours by what tokens are allowed, in milliseconds. */
const LEEWAY_MS = 60_000

/** A token ends with its ServiceAccount: one that was made anew has another UID. */
function isOlder({ from }: ReviewerTerm, account: Fields | undefined): boolean {
  if (account === undefined) return true
  const { metadata } = account
  const made = isRecord(metadata) ? Date.parse(textOf(metadata['creationTimestamp'])) : NaN
  return made > from + LEEWAY_MS
}

function descriptionOf(mount: string, methods: VaultActual['methods']): string {
  return textOf(methods.get(mount)?.['description'])
}

function writeOf(item: ConfigItem, there: Fields | undefined, actual: VaultActual): Write {
  const { mount, reviewer, record } = item
  const fields = { ...besides(item, there ?? {}), ...item.fields }
  if (reviewer === undefined) {
    const path = `auth/${mount}/config`
    return { target: 'vault', method: 'POST', path, body: fields }
  }
  const description = descriptionOf(mount, actual.methods)
  const { cluster } = record
  return { target: 'reviewer', cluster, mount, reviewer, fields, record, description }
}

/** A write replaces the whole: what somebody else set goes along. */
function besides({ type }: ConfigItem, there: Fields): Fields {
  const kept = type === 'jwt' ? ['default_role', 'jwt_supported_algs'] : []
  return Object.fromEntries(
    kept.flatMap((name) =>
      textOf(there[name]) !== '' || isFilled(there[name]) ? [[name, there[name]]] : [],
    ),
  )
}

function conflict(sentence: string): Verdict {
  return verdict({ conflicts: [sentence] })
}
