/** What a cluster lets us do with the objects of a rotation, asked before anything is changed. */
import type { Allowance } from '../http/budget.ts'
import { allows, mayI, rulesIn, type Action, type Rules } from '../kubernetes/access-review.ts'
import { RESOURCES, type KubernetesClient } from '../kubernetes/client.ts'
import type { Address } from './address.ts'

/** The answers of one API server, each asked for once. */
export class ClusterRights {
  readonly #client: KubernetesClient
  /** One request for all names of a namespace. */
  readonly #rules = new Map<string, Promise<Rules>>()

  constructor(client: KubernetesClient) {
    this.#client = client
  }

  /**
   * Gives those that are not granted, each fit for a line of a message.
   *
   * @throws {@link SecretManagerError} SM_K8S_*
   */
  async missing(allowance: Allowance, actions: readonly Action[]): Promise<readonly string[]> {
    const missing: string[] = []
    for (const action of actions) {
      if (!(await this.#isGranted(allowance, action))) missing.push(say(action))
    }
    return missing
  }

  async #isGranted(allowance: Allowance, action: Action): Promise<boolean> {
    const { namespace } = action
    if (namespace === undefined) return mayI(this.#client, allowance, action)
    const asked = this.#rules.get(namespace) ?? rulesIn(this.#client, allowance, namespace)
    this.#rules.set(namespace, asked)
    // Webhook authorizers do not tell their rules.
    return allows(await asked, action) ?? mayI(this.#client, allowance, action)
  }
}

/** What is done with one object. */
export function actionsOn(
  { kind, namespace, name }: Address,
  verbs: readonly string[],
): readonly Action[] {
  return verbs.map((verb) => ({ verb, resource: RESOURCES[kind], namespace, name }))
}

/** What looking through a namespace is; `undefined`: all of them. */
export function listActions(namespace: string | undefined): readonly Action[] {
  return Object.values(RESOURCES).map((resource) => ({ verb: 'list', resource, namespace }))
}

function say({ verb, resource, namespace, name }: Action): string {
  const what = name === undefined ? resource : `${resource} "${name}"`
  return `${verb} ${what} in ${namespace === undefined ? 'all namespaces' : `namespace ${namespace}`}`
}
