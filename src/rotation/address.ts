import type { Definition } from '../config/definition.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { kindOf } from '../sources/place.ts'

/** Where an object is. */
export interface Address {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
}

/** The object that a definition names. */
export function addressOf({ readType, namespace = '', secretName }: Definition): Address {
  return { kind: kindOf(readType), namespace, name: secretName }
}

/** The way an object is named in messages. */
export function nameOfAddress({ kind, namespace, name }: Address): string {
  return `${kind} ${namespace}/${name}`
}
