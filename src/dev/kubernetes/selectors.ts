/** Label and field selectors of list requests; https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
import type { KubernetesObject, Resource } from './objects.ts'
import { badRequest } from './status.ts'

/** A test of an object that a selector stands for. */
export type Matches = (object: KubernetesObject) => boolean

interface Term {
  readonly key: string
  readonly equal: boolean
  readonly value: string
}

/** Parses `a=b,c!=d` over the fields that a resource offers. @throws Refusal 400 */
export function fieldSelector(text: string, resource: Resource<KubernetesObject>): Matches {
  const terms = text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => fieldTerm(part, text))
  const known = Object.keys(fieldsOf({ metadata: {} }, resource))
  for (const { key } of terms) if (!known.includes(key)) throw unknownField(key, resource)
  return (object) => {
    const fields = fieldsOf(object, resource)
    return terms.every(({ key, equal, value }) => (fields[key] === value) === equal)
  }
}

/** The name that a field selector demands, if it demands one: RBAC treats it as the name asked for. */
export function selectedName(text: string): string {
  const name = /(?:^|,)metadata\.name==?([^,=!]+)(?:$|,)/.exec(text)?.[1]
  return name ?? ''
}

/** Parses equality and set-based label selectors. @throws Refusal 400 */
export function labelSelector(text: string): Matches {
  const parts = text.match(/[^,(]+(?:\([^)]*\))?/g) ?? []
  const tests = parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(labelTest)
  return ({ metadata: { labels = {} } }) => tests.every((test) => test(labels))
}

function fieldTerm(part: string, text: string): Term {
  const [, key, operator, value] = /^([^=!]+)(==|=|!=)(.*)$/.exec(part) ?? []
  if (key === undefined) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`)
  return { key, equal: operator !== '!=', value: value ?? '' }
}

function fieldsOf(
  object: KubernetesObject,
  resource: Resource<KubernetesObject>,
): Record<string, string> {
  const { name = '', namespace = '' } = object.metadata
  const own = {
    'metadata.name': name,
    ...(resource.namespaced ? { 'metadata.namespace': namespace } : {}),
  }
  return { ...own, ...resource.selectable?.(object) }
}

function unknownField(key: string, { name }: Resource<KubernetesObject>): Error {
  // The real server words it differently where a resource has selectable fields of its own.
  if (name === 'configmaps') {
    const known = 'only "metadata.name", "metadata.namespace"'
    return badRequest(`"${key}" is not a known field selector: ${known}`)
  }
  return badRequest(`field label not supported: ${key}`)
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean

function labelTest(part: string): LabelTest {
  const set = /^([^\s=!]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part)
  if (set)
    return setTest(
      set[1] ?? '',
      set[2] === 'in',
      (set[3] ?? '').split(',').map((one) => one.trim()),
    )
  const equality = /^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)$/.exec(part)
  if (equality) return setTest(equality[1] ?? '', equality[2] !== '!=', [equality[3] ?? ''])
  const presence = /^(!?)\s*([^\s=!]+)$/.exec(part)
  if (presence) {
    const [, not, key = ''] = presence
    return (labels) => Object.hasOwn(labels, key) === (not === '')
  }
  const found = part.split(/\s+/)[1] ?? part
  const operators = 'in, notin, =, ==, !=, gt, lt'
  throw badRequest(`unable to parse requirement: found '${found}', expected: ${operators}`)
}

/** Absent labels satisfy the negative forms, as in Kubernetes. */
function setTest(key: string, positive: boolean, values: readonly string[]): LabelTest {
  return (labels) => values.includes(labels[key] ?? '\0') === positive
}
