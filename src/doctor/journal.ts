/** What rotations wrote down of the key: facts for the checks of its versions. */
import { isSecretManagerError } from '../errors.ts'
import { KeyJob } from '../rotation/job.ts'
import { journalName } from '../rotation/journal.ts'
import type { Journal } from '../rotation/journal-text.ts'
import { cluster } from './cluster.ts'
import { Missing } from './verdict.ts'
import { fact, type World } from './world.ts'

/** A journal, and where it lies. */
export interface FoundJournal {
  readonly journal: Journal
  /** Such as `ConfigMap app/secretmanager-rotation-app`. */
  readonly where: string
}

/**
 * The journal of the key: where `--journal-namespace` says, else in the namespace of the configuration or of
 * the document; `undefined` where there is none.
 *
 * @throws {@link Missing} where it may not be read; SM_CONFIG_INVALID where it is of another key or Vault
 */
export const journal: (world: World) => Promise<FoundJournal | undefined> = fact(async (world) => {
  const denied: string[] = []
  for (const namespace of await journalNamespaces(world)) {
    try {
      const found = await journalIn(world, namespace)
      if (found) return found
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
      denied.push(namespace)
    }
  }
  if (denied.length === 0) return undefined
  const name = journalName(keyOf(world))
  throw new Missing(`get on configmaps ${denied.map((each) => `${each}/${name}`).join(', ')}`)
})

/** Gives the namespaces that are looked in. @throws as {@link cluster} */
export async function journalNamespaces(world: World): Promise<ReadonlySet<string>> {
  const { journalNamespace, settings, definition } = world
  const { access } = await cluster(world)
  if (journalNamespace !== undefined) return new Set([journalNamespace])
  const own = settings.kubernetes.namespace ?? access.namespace ?? 'default'
  return new Set([own, definition.namespace ?? own])
}

async function journalIn(world: World, namespace: string): Promise<FoundJournal | undefined> {
  const { core, runtime } = world
  const parts = { core, runtime, key: keyOf(world), sites: [], isCompat: false }
  const store = new KeyJob({ ...parts, journal: namespace }).journal
  const { journal: found } = await store.read(world.signal)
  return found && { journal: found, where: `ConfigMap ${namespace}/${store.name}` }
}

function keyOf({ settings, definition }: World): { mount: string; transitKey: string } {
  return { mount: settings.vault.transitMount, transitKey: definition.transitKey }
}
