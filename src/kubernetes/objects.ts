/** Secrets and ConfigMaps as far as they are used: what is read of them, and what is sent. */
import { badResponse, type Answer, type Backend } from '../http/call.ts'
import { isRecord } from '../lib/record.ts'

/** A kind of object that can hold ciphertext. */
export type Kind = 'Secret' | 'ConfigMap'

/** A Secret or ConfigMap, as far as it is used. */
export interface KubernetesObject {
  readonly resourceVersion: string
  /** As it came; `metadata.ts` reads it. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Secrets only. */
  readonly type: string | undefined
  readonly immutable: boolean
  /** Secret: base64; ConfigMap: text. */
  readonly data: ReadonlyMap<string, string>
  /** ConfigMap: base64. */
  readonly binaryData: ReadonlyMap<string, string>
}

/** What is sent of an object. */
export interface ObjectBody {
  readonly metadata: {
    readonly name: string
    readonly resourceVersion?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly data?: Readonly<Record<string, string>>
  /** ConfigMap: base64. */
  readonly binaryData?: Readonly<Record<string, string>>
}

/** Reads an object of an answer. @throws SM_K8S_BAD_RESPONSE */
export function readObject(
  backend: Pick<Backend, 'name' | 'url'>,
  { status, json }: Pick<Answer, 'status' | 'json'>,
): KubernetesObject {
  const object = isRecord(json) ? json : {}
  const metadata = isRecord(object['metadata']) ? object['metadata'] : {}
  const { resourceVersion } = metadata
  if (typeof resourceVersion !== 'string')
    throw badResponse(backend, status, 'is not an object of the API')
  return {
    resourceVersion,
    metadata,
    type: typeof object['type'] === 'string' ? object['type'] : undefined,
    immutable: object['immutable'] === true,
    data: stringMap(object['data']),
    binaryData: stringMap(object['binaryData']),
  }
}

/** The texts of an object of the API, by name; an empty one where there is none. */
export function stringMap(value: unknown): ReadonlyMap<string, string> {
  const entries = Object.entries(isRecord(value) ? value : {})
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
