/** The kinds that hold data: Secret and ConfigMap. */
import { boolType, bytesType, mapType, record, stringType, structType } from './decode.ts'
import { type KubernetesObject, OBJECT_META, type Resource, TYPE_META } from './objects.ts'
import { type FieldError, forbiddenField, invalidValue, required, tooLong } from './status.ts'
import { MAX_DATA, configKey, dnsSubdomain } from './validation.ts'

/** A Secret; `data` holds base64. */
export interface Secret extends KubernetesObject {
  immutable?: boolean
  data?: Record<string, string>
  stringData?: Record<string, string>
  type?: string
}

/** A ConfigMap; `binaryData` holds base64. */
export interface ConfigMap extends KubernetesObject {
  immutable?: boolean
  data?: Record<string, string>
  binaryData?: Record<string, string>
}

const CORE = { group: '', version: 'v1' } as const
const IMMUTABLE_TEXT = 'field is immutable when `immutable` is set'

/** https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/ */
export const SECRETS: Resource<Secret> = {
  ...CORE,
  name: 'secrets',
  kind: 'Secret',
  namespaced: true,
  deleteGives: 'status',
  managesFields: true,
  selectable: ({ type = '' }) => ({ type }),
  type: structType<Secret>('Secret', {
    ...TYPE_META,
    metadata: OBJECT_META,
    immutable: boolType,
    data: mapType(bytesType),
    stringData: mapType(stringType()),
    type: stringType('v1.SecretType'),
  }),
  complete({ stringData = {}, data = {}, type = 'Opaque', ...rest }) {
    const encoded = Object.entries(stringData).map(([key, text]): [string, string] => [
      key,
      encode(text),
    ])
    const all = sorted({ ...data, ...Object.fromEntries(encoded) })
    const { kind, apiVersion, metadata, immutable } = rest
    return {
      ...(kind === undefined ? {} : { kind }),
      ...(apiVersion === undefined ? {} : { apiVersion }),
      metadata,
      ...(immutable === undefined ? {} : { immutable }),
      ...(Object.keys(all).length === 0 ? {} : { data: all }),
      type,
    }
  },
  validate({ data = {}, type = '', metadata }) {
    return [
      ...dataKeyErrors('data', data),
      ...sizeErrors('data', data, {}),
      ...typeErrors(type, data, metadata.annotations),
    ]
  },
  validateChange(next, previous) {
    const typeChange =
      next.type === previous.type ? [] : [invalidValue('type', next.type, 'field is immutable')]
    return [...typeChange, ...immutableErrors(next, previous, ['data'])]
  },
  validateName: dnsSubdomain,
}

/** https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/config-map-v1/ */
export const CONFIG_MAPS: Resource<ConfigMap> = {
  ...CORE,
  name: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  deleteGives: 'status',
  managesFields: true,
  type: structType<ConfigMap>('ConfigMap', {
    ...TYPE_META,
    metadata: OBJECT_META,
    immutable: boolType,
    data: mapType(stringType()),
    binaryData: mapType(bytesType),
  }),
  complete: (object) => object,
  validate({ data = {}, binaryData = {} }) {
    const doubled = Object.keys(data).filter((key) => Object.hasOwn(binaryData, key))
    return [
      ...dataKeyErrors('data', data),
      ...doubled.map((key) =>
        invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData'),
      ),
      ...dataKeyErrors('binaryData', binaryData),
      ...sizeErrors('[]', binaryData, data),
    ]
  },
  validateChange: (next, previous) => immutableErrors(next, previous, ['data', 'binaryData']),
  validateName: dnsSubdomain,
}

function dataKeyErrors(field: string, data: Record<string, string>): FieldError[] {
  return Object.keys(data).flatMap((key) =>
    configKey(key).map((text) => invalidValue(`${field}[${key}]`, key, text)),
  )
}

function sizeErrors(
  field: string,
  binary: Record<string, string>,
  text: Record<string, string>,
): FieldError[] {
  const sum = (values: string[], size: (value: string) => number): number =>
    values.reduce((total, value) => total + size(value), 0)
  const bytes = sum(Object.values(binary), (value) => Buffer.byteLength(value, 'base64'))
  const all = bytes + sum(Object.values(text), (value) => Buffer.byteLength(value))
  return all > MAX_DATA ? [tooLong(field, MAX_DATA)] : []
}

const KEYS_OF_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
  ['kubernetes.io/tls', ['tls.crt', 'tls.key']],
  ['kubernetes.io/dockerconfigjson', ['.dockerconfigjson']],
  ['kubernetes.io/dockercfg', ['.dockercfg']],
  ['kubernetes.io/ssh-auth', ['ssh-privatekey']],
])

function typeErrors(
  type: string,
  data: Record<string, string>,
  annotations: Record<string, string> = {},
): FieldError[] {
  const lacks = (key: string): boolean => !Object.hasOwn(data, key)
  const missing = (key: string): FieldError => required(`data[${key}]`)
  if (type === 'kubernetes.io/basic-auth') {
    const keys = ['username', 'password']
    return keys.every(lacks) ? keys.map(missing) : []
  }
  if (type === 'kubernetes.io/service-account-token') {
    const key = 'kubernetes.io/service-account.name'
    return annotations[key] === undefined ? [required(`metadata.annotations[${key}]`)] : []
  }
  return (KEYS_OF_TYPE.get(type) ?? []).filter(lacks).map(missing)
}

function immutableErrors<T extends Secret | ConfigMap>(
  next: T,
  previous: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (previous.immutable !== true) return []
  const thawed = next.immutable === true ? [] : ['immutable']
  const changed = fields.filter(
    (field) => JSON.stringify(next[field]) !== JSON.stringify(previous[field]),
  )
  return [...thawed, ...changed].map((field) => forbiddenField(field, IMMUTABLE_TEXT))
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** In the order of the keys, as Go prints maps. */
function sorted(values: Record<string, string>): Record<string, string> {
  return record(Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
