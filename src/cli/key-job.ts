/** A job about one key, open for a command: its sites, its journal, its servers. */
import { parseConfig } from '../config/schema.ts'
import { closeCore, createCore, type Core } from '../core.ts'
import { SecretManagerError } from '../errors.ts'
import { FileSite } from '../rotation/file-site.ts'
import { KeyJob } from '../rotation/job.ts'
import type { KeyName, Site } from '../rotation/site.ts'
import { Clusters } from '../rotation/sites.ts'
import { fileStore } from './file-store.ts'
import { keyTargetOf, type KeyTarget } from './key-target.ts'
import type { Context } from './program.ts'
import type { FlagValues } from './settings.ts'
import { announceWaits } from './waiting.ts'

/** What a command works with. */
export interface OpenJob {
  readonly core: Core
  readonly key: KeyName
  readonly job: KeyJob
  readonly sites: readonly Site[]
}

/**
 * Does `work` with what flags and environment say, and closes it afterwards.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE, and what `work` rejects with
 */
export async function withKeyJob<T>(
  names: readonly string[],
  values: FlagValues,
  context: Context,
  work: (open: OpenJob) => Promise<T>,
): Promise<T> {
  const { output, runtime, interrupt: signal } = context
  const target = await keyTargetOf(names, values, runtime)
  const core = createCore(parseConfig(target.config), runtime)
  const clusters = new Clusters(core, runtime)
  const quiet = announceWaits(output, runtime)
  try {
    const key = { mount: core.settings.vault.transitMount, transitKey: target.transitKey }
    const sites = await sitesOf(target, key, clusters, context)
    if (sites.length === 0) throw nowhere(key)
    const isCluster = sites.some((site) => site.isCluster)
    const given = values['journalNamespace']
    const namespace =
      typeof given === 'string' ? given : isCluster ? await clusters.namespace(signal) : 'default'
    const isCompat = values['compat'] === true
    const job = new KeyJob({ core, runtime, key, sites, namespace, isCompat })
    return await work({ core, key, job, sites })
  } finally {
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
  return [
    ...(selection ? [await clusters.selected(key, selection, signal)] : []),
    ...(inventory ? await clusters.inventoried(key, inventory, signal) : []),
    ...(files.length > 0
      ? [
          new FileSite({
            given: files,
            key,
            cluster,
            namespace,
            definitions,
            store: fileStore(runtime),
          }),
        ]
      : []),
  ]
}

function nowhere({ transitKey }: KeyName): SecretManagerError {
  const message = `the inventory has no document under the Transit key ${transitKey}, and no namespace to scan`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'name its documents (clusters[].secrets, apps[].secrets), or what is to be looked through (clusters[].scan)',
  })
}
