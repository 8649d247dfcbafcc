/** What a cluster lets us do with the objects of a rotation, asked before anything is changed. */
import type { Allowance } from '../http/budget.ts'
import { allows, mayI, rulesIn, type Action } from '../kubernetes/access-review.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { Address } from './cluster-object.ts'

/**
 * Gives what is needed and not granted, each fit for a line of a message.
 *
 * @throws {@link SecretManagerError} SM_K8S_*
 */
export async function missingRights(
  client: KubernetesClient,
  allowance: Allowance,
  actions: readonly Action[],
): Promise<readonly string[]> {
  const missing: string[] = []
  const byNamespace = new Map<string | undefined, Action[]>()
  for (const action of actions) {
    const { namespace } = action
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), action])
  }
  for (const [namespace, some] of byNamespace) {
    // One request for all names of a namespace; webhook authorizers do not tell their rules.
    const rules = namespace === undefined ? undefined : await rulesIn(client, allowance, namespace)
    for (const action of some) {
      const granted = (rules && allows(rules, action)) ?? (await mayI(client, allowance, action))
      if (!granted) missing.push(say(action))
    }
  }
  return missing
}

/** What rewrapping these objects, and listing these namespaces, is made of. */
export function actionsFor(
  addresses: readonly Address[],
  scan: true | readonly string[],
  isWriting: boolean,
): readonly Action[] {
  const verbs = isWriting ? ['get', 'patch'] : ['get']
  const named = addresses.flatMap(({ kind, namespace, name }) =>
    verbs.map((verb) => ({ verb, resource: RESOURCES[kind], namespace, name })),
  )
  const namespaces = scan === true ? [undefined] : scan
  const listed = namespaces.flatMap((namespace) =>
    Object.values(RESOURCES).flatMap((resource) =>
      (isWriting ? ['list', 'patch'] : ['list']).map((verb) => ({ verb, resource, namespace })),
    ),
  )
  return [...named, ...listed]
}

const RESOURCES = { Secret: 'secrets', ConfigMap: 'configmaps' } as const

function say({ verb, resource, namespace, name }: Action): string {
  const what = name === undefined ? resource : `${resource} "${name}"`
  return `${verb} ${what} in ${namespace === undefined ? 'all namespaces' : `namespace ${namespace}`}`
}
