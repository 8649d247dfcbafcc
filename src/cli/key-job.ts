/** A job about one key, open for a command: its sites, its journal, its servers. */
import { parseConfig } from '../config/schema.ts'
import { closeCore, createCore, type Core } from '../core.ts'
import { SecretManagerError } from '../errors.ts'
import { FileSite } from '../rotation/file-site.ts'
import { KeyJob } from '../rotation/job.ts'
import { findJournal, placesOf } from '../rotation/journal-place.ts'
import { journalName, whereOf, type JournalParts } from '../rotation/journal.ts'
import type { KeyName, Site } from '../rotation/site.ts'
import { Clusters } from '../rotation/sites.ts'
import { fileStore } from './file-store.ts'
import { gathered } from './key-lines.ts'
import { keyTargetOf, type KeyTarget } from './key-target.ts'
import type { Output } from './output.ts'
import type { Context } from './context.ts'
import { Progress } from './progress.ts'
import type { FlagValues } from './settings.ts'
import { announceWaits } from './waiting.ts'

/** What a command works with. */
export interface OpenKey {
  readonly job: KeyJob
  readonly key: KeyName
  /** Where the line of `progress` goes away before anything is printed. */
  readonly output: Output
  readonly progress: Progress
}

/** The same, with where documents lie. */
export interface OpenJob extends OpenKey {
  readonly sites: readonly Site[]
  /** The objects of the configured cluster that a person named, and no others; absent where none were. */
  readonly named: Site | undefined
  /** Whether only some of the configured cluster is looked at, or none, and no inventory says that this is all. */
  readonly isPartial: boolean
  /** Whether the journal is known to be within reach: files alone need no cluster. */
  readonly hasJournal: boolean
}

/** How a job is opened. */
export interface KeyJobOptions {
  /** Whether it cannot be done without a journal. */
  readonly needsJournal: boolean
}

/**
 * Does `work` with what flags and environment say, and closes it afterwards.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE, and what `work` rejects with
 */
export function withKeyJob<T>(
  names: readonly string[],
  values: FlagValues,
  context: Context,
  { needsJournal }: KeyJobOptions,
  work: (open: OpenJob) => Promise<T>,
): Promise<T> {
  return opened(names, values, context, async (parts) => {
    const { target, core, key, clusters } = parts
    const sites = await sitesOf(target, key, clusters, context)
    if (sites.length === 0) throw nowhere(key)
    const { journalNamespace: given, compat } = values
    const hasJournal = needsJournal || given !== undefined || sites.some((site) => site.isCluster)
    const { runtime } = context
    const journal = typeof given === 'string' ? given : finder(parts, needsJournal)
    const job = new KeyJob({ core, runtime, key, sites, journal, isCompat: compat === true })
    const named = await namedSite(parts, context)
    return work({ ...parts, job, sites, named, hasJournal, isPartial: isPart(target) })
  })
}

/** Who writes the journal is told where it is, where others would not look for it. */
function finder(
  { target, clusters, key, core, output }: Opened,
  isWritten: boolean,
): JournalParts['find'] {
  return async (signal) => {
    const places = await placesOf(key, clusters, target, signal)
    const place = await findJournal(key, places, core.calls, signal)
    if (!isWritten) return place
    const journal = `the journal is ${whereOf(place, journalName(key))}`
    if (place !== places[0]) output.notes.line(`${journal}, where it was begun`)
    else if (place.isGuess) output.notes.line(`${journal}, ${OF_CONTEXT}`)
    return place
  }
}

const OF_CONTEXT = "in your context's namespace; --journal-namespace fixes it"

async function namedSite(
  { target: { selection }, key, clusters }: Opened,
  { interrupt: signal }: Context,
): Promise<Site | undefined> {
  const { definitions = [] } = selection ?? {}
  if (definitions.length === 0) return undefined
  return clusters.selected(key, { definitions, scan: [] }, signal)
}

function isPart({ selection, inventory }: KeyTarget): boolean {
  return selection?.scan !== true && inventory === undefined
}

/**
 * The same for what concerns the key alone: no cluster is asked.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE, and what `work` rejects with
 */
export function withKey<T>(
  values: FlagValues,
  context: Context,
  work: (open: OpenKey) => Promise<T>,
): Promise<T> {
  return opened([], values, context, ({ core, key, output, progress }) => {
    const parts = { core, key, runtime: context.runtime, isCompat: false }
    return work({ key, output, progress, job: new KeyJob({ ...parts, sites: [], journal: '' }) })
  })
}

interface Opened extends Omit<OpenKey, 'job'> {
  readonly target: KeyTarget
  readonly core: Core
  readonly clusters: Clusters
}

async function opened<T>(
  names: readonly string[],
  values: FlagValues,
  context: Context,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { runtime } = context
  const target = await keyTargetOf(names, values, runtime)
  const core = createCore(parseConfig(target.config), runtime)
  const clusters = new Clusters(core, runtime)
  const printed = gathered(context.output, runtime)
  const progress = new Progress(printed.output.notes, runtime)
  const output = progress.over(printed.output)
  const quiet = announceWaits(output, runtime)
  try {
    const key = { mount: core.settings.vault.transitMount, transitKey: target.transitKey }
    return await work({ target, core, clusters, key, output, progress })
  } finally {
    progress.clear()
    printed.flush()
    quiet()
    clusters.close()
    await closeCore(core)
  }
}

async function sitesOf(
  { selection, inventory, files, namespace, config }: KeyTarget,
  key: KeyName,
  clusters: Clusters,
  { runtime, interrupt: signal }: Context,
): Promise<readonly Site[]> {
  const { cluster } = parseConfig(config)
  const definitions = selection?.definitions ?? []
  const store = fileStore(runtime)
  const places = await Promise.all(files.map((each) => store.place(each)))
  const parts = { given: files, places, key, cluster, namespace, definitions, store }
  return [
    ...(selection ? [await clusters.selected(key, selection, signal)] : []),
    ...(inventory ? clusters.inventoried(key, inventory) : []),
    ...(files.length > 0 ? [new FileSite(parts)] : []),
  ]
}

function nowhere({ transitKey }: KeyName): SecretManagerError {
  const message = `the inventory has no document under the Transit key ${transitKey}, and no namespace to scan`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'name its documents (clusters[].secrets, apps[].secrets), or what is to be looked through (clusters[].scan)',
  })
}
