/** Who keeps an object as a source says: a change that is made in the cluster would be undone. */
import type { KubernetesObject } from '../kubernetes/objects.ts'
import { annotationsOf, labelsOf, managersOf } from '../kubernetes/metadata.ts'
import { isRecord } from '../lib/record.ts'

/** What undoes changes, and what it calls its source. */
export interface Owner {
  readonly tool: 'Argo CD' | 'Flux' | 'Helm' | 'a controller'
  /** Application, Kustomization, release, or kind and name of the controlling object. */
  readonly name: string | undefined
}

/**
 * Gives the owner of an object, by the marks that each tool leaves, and by any field that its controllers wrote: who
 * wrote an entry last says nothing, as a write by hand takes it over and is put back at the next sync.
 *
 * @see https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
 * @see https://fluxcd.io/flux/components/kustomize/kustomizations/#garbage-collection
 * @see https://helm.sh/docs/topics/library_charts/#the-common-helm-helper-chart
 */
export function ownerOf(object: KubernetesObject): Owner | undefined {
  const controller = controllerOf(object)
  if (controller !== undefined) return { tool: 'a controller', name: controller }
  const labels = labelsOf(object)
  const annotations = annotationsOf(object)
  const writers = [...managersOf(object)]
  for (const { tool, marks, managers, instance } of TOOLS) {
    const [name] = marks.flatMap((mark) => labels.get(mark) ?? annotations.get(mark) ?? [])
    if (name !== undefined) return { tool, name: name.split(':')[0] }
    const isKept = labels.get(MANAGED_BY) === tool || writers.some((each) => managers.has(each))
    if (isKept) return { tool, name: instance && labels.get(instance) }
  }
  return undefined
}

/** Charts set it to `Helm`, also where another tool applies what they render. */
const MANAGED_BY = 'app.kubernetes.io/managed-by'

interface Tool {
  readonly tool: Owner['tool']
  /** Labels or annotations. */
  readonly marks: readonly string[]
  /** Field managers that its controllers write as. */
  readonly managers: ReadonlySet<string>
  /** A label that it gives the name in, which others set, too: it is no mark. */
  readonly instance?: string
}

/** What Argo CD tracks by, unless it was told to use its annotation. */
const INSTANCE = 'app.kubernetes.io/instance'

/** Flux before Helm, as it installs charts and leaves Helm's marks, too. */
const TOOLS: readonly Tool[] = [
  {
    tool: 'Argo CD',
    marks: ['argocd.argoproj.io/tracking-id', 'argocd.argoproj.io/instance'],
    managers: new Set(['argocd-controller', 'argocd-application-controller']),
    instance: INSTANCE,
  },
  {
    tool: 'Flux',
    marks: ['kustomize.toolkit.fluxcd.io/name', 'helm.toolkit.fluxcd.io/name'],
    managers: new Set(['kustomize-controller', 'helm-controller']),
  },
  {
    tool: 'Helm',
    marks: ['meta.helm.sh/release-name'],
    managers: new Set(['helm']),
    instance: INSTANCE,
  },
]

/** Of SealedSecrets, ExternalSecrets and their kind: what controls an object writes it anew. */
function controllerOf({ metadata }: KubernetesObject): string | undefined {
  const owners: unknown = metadata['ownerReferences']
  const controller = Array.isArray(owners)
    ? owners.find((each: unknown) => isRecord(each) && each['controller'] === true)
    : undefined
  if (!isRecord(controller)) return undefined
  return `${String(controller['kind'])} ${String(controller['name'])}`
}
