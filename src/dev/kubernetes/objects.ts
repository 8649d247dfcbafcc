/** The objects that the embedded API server stores, as their users send and see them. */
import { type GoType, always, listType, mapType, stringType, structType } from './decode.ts'
import type { FieldError } from './status.ts'

/** Who and when an object is; https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ */
export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  managedFields?: ManagedFields[]
}

/** What one client has set; in `fieldsV1` a step is `f:` and a name, `v:` and a member, or `.`, the map itself. */
export interface ManagedFields {
  readonly manager: string
  readonly operation: 'Update'
  readonly apiVersion: string
  readonly time: string
  readonly fieldsType: 'FieldsV1'
  readonly fieldsV1: FieldTree
}

interface FieldTree {
  [step: string]: FieldTree
}

/** What every stored object has. */
export interface KubernetesObject {
  kind?: string
  apiVersion?: string
  metadata: ObjectMeta
}

/** Fields that every kind starts with. */
export const TYPE_META: { readonly kind: GoType<string>; readonly apiVersion: GoType<string> } = {
  kind: stringType(),
  apiVersion: stringType(),
}

/** `metadata` on the wire; managedFields are given, and not taken. */
export const OBJECT_META: GoType<ObjectMeta> = always(
  ignoring(
    ['managedFields', 'ownerReferences', 'generation', 'selfLink', 'deletionGracePeriodSeconds'],
    structType<Omit<ObjectMeta, 'managedFields'>>(
      'ObjectMeta',
      {
        name: stringType(),
        generateName: stringType(),
        namespace: stringType(),
        uid: stringType('types.UID'),
        resourceVersion: stringType(),
        creationTimestamp: stringType('v1.Time'),
        deletionTimestamp: stringType('v1.Time'),
        labels: mapType(stringType()),
        annotations: mapType(stringType()),
        finalizers: listType(stringType()),
      },
      'v1.',
    ),
  ),
)

const META_ORDER: readonly (keyof ObjectMeta)[] = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'labels',
  'annotations',
  'finalizers',
  'managedFields',
]

/** The same `metadata` in the order in which Go prints it, without what is undefined. */
export function arrangeMeta(metadata: {
  [K in keyof ObjectMeta]: ObjectMeta[K] | undefined
}): ObjectMeta {
  const present = META_ORDER.filter((key) => metadata[key] !== undefined)
  return Object.fromEntries(present.map((key) => [key, metadata[key]]))
}

/** A resource: its names, its shape and its rules. Rules give the fields that break them. */
export interface Resource<T extends KubernetesObject> {
  readonly group: string
  readonly version: string
  /** Plural name, as in URLs and RBAC rules. */
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
  readonly type: GoType<T>
  /** What a delete answers: `Success`, or the object. Kinds differ and clients see it. */
  readonly deleteGives: 'status' | 'object'
  /** What field selectors can name beside metadata.name and metadata.namespace. */
  selectable?(object: T): Record<string, string>
  /** Whether managedFields are kept: for what has no fields but scalars and maps of text. */
  readonly managesFields?: boolean
  /** The value with what the server adds before it checks and stores it. */
  complete(object: T): T
  validate(object: T): FieldError[]
  validateChange?(next: T, previous: T): FieldError[]
  readonly validateName: (name: string) => string[]
}

/** Reads like `type`, and takes some fields without keeping or reporting them. */
function ignoring<T>(fields: readonly string[], type: GoType<T>): GoType<T> {
  return {
    ...type,
    read(value, place) {
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
      if (!isObject) return type.read(value, place)
      const kept = Object.entries(value).filter(([key]) => !fields.includes(key))
      return type.read(Object.fromEntries(kept), place)
    },
  }
}
