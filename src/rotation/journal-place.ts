/** Where the journal of a key lies: in a place that everybody finds, or where it was begun. */
import type { Calls } from '../calls.ts'
import type { ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { textOf } from '../lib/record.ts'
import { journalName, whereOf, type JournalPlace } from './journal.ts'
import type { KeyName } from './site.ts'
import type { Clusters, Selection } from './sites.ts'

/** What is looked through, as far as it says where a journal may be. */
export interface LookedThrough {
  readonly inventory: ProvisionFile | undefined
  /** In the configured cluster. */
  readonly selection: Selection | undefined
}

/**
 * Gives the places where the journal may be; the first is where it is begun. An inventory is the same for everybody, and
 * so is the first namespace in it that has something of the key. Without one it is that of the configuration or the
 * context, and who rotates from another may have begun it in one that is looked through.
 */
export async function placesOf(
  key: KeyName,
  clusters: Clusters,
  { inventory, selection }: LookedThrough,
  signal: AbortSignal,
): Promise<readonly [JournalPlace, ...JournalPlace[]]> {
  const here = clusters.connect(undefined)
  const { namespace, isGuess } = await clusters.ownNamespace(signal)
  const selected = namespacesIn(selection)
  const isNamed = !isGuess || selected.includes(namespace)
  const own = { ...placeIn(namespace, here), isGuess: !isNamed }
  const more = selected.filter((each) => each !== namespace).map((each) => placeIn(each, here))
  const [first, ...others] = inventory ? homesOf(key, inventory, clusters) : []
  return first ? [first, ...others, own, ...more] : [own, ...more]
}

function placeIn(
  namespace: string,
  connect: JournalPlace['connect'],
  cluster?: string,
): JournalPlace {
  return { namespace, isGuess: false, connect, cluster }
}

/** In the order of the file. */
function homesOf(
  { transitKey }: KeyName,
  { clusters, apps }: ProvisionFile,
  open: Clusters,
): readonly JournalPlace[] {
  return clusters.flatMap((cluster) => {
    const namespaces = new Set(namespacesOf(cluster, apps, transitKey))
    const name = clusters.length > 1 ? cluster.name : undefined
    const connect = open.connect(cluster.context)
    return [...namespaces].map((namespace) => placeIn(namespace, connect, name))
  })
}

/** That of an app is where its rotator keeps a journal. */
function namespacesOf(
  { name, secrets, scan }: ClusterSpec,
  apps: ProvisionFile['apps'],
  transitKey: string,
): readonly string[] {
  const isOurs = (each: { readonly transitKey: string | undefined }): boolean =>
    each.transitKey === transitKey
  const theirs = apps.filter(
    (app) => app.clusters.includes(name) && [app, ...app.secrets].some(isOurs),
  )
  return [
    ...theirs.map(({ namespace }) => namespace),
    ...secrets.filter(isOurs).flatMap(({ namespace }) => namespace ?? []),
    ...(scan === true ? [] : scan),
  ]
}

function namespacesIn(selection: Selection | undefined): readonly string[] {
  if (selection === undefined) return []
  const { definitions, scan } = selection
  const named = definitions.flatMap(({ namespace }) => namespace ?? [])
  return [...new Set([...named, ...(typeof scan === 'object' ? scan : [])])]
}

/** Places that are looked at at once. */
const AT_ONCE = 8

/**
 * Finds the journal. Where there is none, gives the place where it is begun.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where there are two, SM_K8S_*
 */
export async function findJournal(
  key: KeyName,
  places: readonly [JournalPlace, ...JournalPlace[]],
  calls: Calls,
  signal: AbortSignal,
): Promise<JournalPlace> {
  const [first] = places
  if (places.length === 1) return first
  const name = journalName(key)
  const uids = await inParallel(places, AT_ONCE, (each) => uidAt(each, name, calls, signal))
  // One may be reached in two ways.
  const found = new Map<string, JournalPlace>()
  for (const [at, each] of places.entries()) {
    const uid = uids[at]
    if (uid !== undefined && !found.has(uid)) found.set(uid, each)
  }
  const [one = first, other] = found.values()
  if (other !== undefined) throw twice(key, whereOf(one, name), whereOf(other, name))
  return one
}

/** `undefined` where there is none, or where nobody of this login can have begun one. */
async function uidAt(
  { namespace, connect }: JournalPlace,
  name: string,
  calls: Calls,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { metadata } = await calls.run({ signal }, async (allowance) =>
      (await connect(allowance)).get(allowance, 'ConfigMap', namespace, name),
    )
    return textOf(metadata['uid'])
  } catch (error) {
    const isNone = isSecretManagerError(error) && NONE.has(error.code)
    if (!isNone) throw error
    return undefined
  }
}

const NONE: ReadonlySet<string> = new Set(['SM_K8S_NOT_FOUND', 'SM_K8S_DENIED'])

function twice({ transitKey }: KeyName, one: string, other: string): SecretManagerError {
  const message = `there are two journals of the Transit key ${transitKey}: ${one} and ${other}`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'look at both, and delete the one that nobody writes to any more; or say which: --journal-namespace',
  })
}
