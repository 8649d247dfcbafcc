/**
 * Rules for names, labels and data keys, with the words of kube-apiserver.
 *
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
 */
import type { ObjectMeta } from './objects.ts'
import { type FieldError, invalidValue, required, tooLong } from './status.ts'

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must " +
  "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for " +
  `validation is '${LABEL}')`

const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
  "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for " +
  `validation is '${SUBDOMAIN}')`

const CONFIG_KEY = '[-._a-zA-Z0-9]+'
const CONFIG_KEY_TEXT =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  " +
  `or 'KEY_NAME',  or 'key-name', regex used for validation is '${CONFIG_KEY}')`

const NAME_PART = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const NAME_PART_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with " +
  "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for " +
  `validation is '${NAME_PART}')`

const LABEL_VALUE = `(${NAME_PART})?`
const LABEL_VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
  "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or " +
  `'12345', regex used for validation is '${LABEL_VALUE}')`

const MAX_SUBDOMAIN = 253
const MAX_LABEL = 63
const MAX_ANNOTATIONS = 256 * 1024

/** Largest sum of the values of a Secret or ConfigMap, in bytes. */
export const MAX_DATA: number = 1024 * 1024

/** Names of Namespaces. */
export function dnsLabel(name: string): string[] {
  return [...longerThan(name, MAX_LABEL), ...unless(matches(LABEL, name), LABEL_TEXT)]
}

/** Names of Secrets, ConfigMaps, ServiceAccounts and Pods. */
export function dnsSubdomain(name: string): string[] {
  return [...longerThan(name, MAX_SUBDOMAIN), ...unless(matches(SUBDOMAIN, name), SUBDOMAIN_TEXT)]
}

/** Names of RBAC objects, and what a name in a URL must satisfy at least. */
export function pathSegment(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((char) => name.includes(char)).map((char) => `may not contain '${char}'`)
}

/** Keys of Secret and ConfigMap data. */
export function configKey(key: string): string[] {
  if (key === '.' || key === '..') return [`must not be '${key}'`]
  const wrong = [
    ...longerThan(key, MAX_SUBDOMAIN),
    ...unless(matches(CONFIG_KEY, key), CONFIG_KEY_TEXT),
  ]
  return key.startsWith('..') ? [...wrong, "must not start with '..'"] : wrong
}

/** The rules of `metadata`, alike for all kinds. */
export function validateMeta(meta: ObjectMeta, nameRule: (name: string) => string[]): FieldError[] {
  const { name = '', labels = {}, annotations = {} } = meta
  if (name === '') return [required('metadata.name', 'name or generateName is required')]
  return [
    ...nameRule(name).map((text) => invalidValue('metadata.name', name, text)),
    ...Object.entries(labels).flatMap(([key, value]) => labelErrors(key, value)),
    ...annotationErrors(annotations),
  ]
}

function labelErrors(key: string, value: string): FieldError[] {
  const field = 'metadata.labels'
  const valueTexts = [
    ...longerThan(value, MAX_LABEL),
    ...unless(matches(LABEL_VALUE, value), LABEL_VALUE_TEXT),
  ]
  return [
    ...qualifiedName(key).map((text) => invalidValue(field, key, text)),
    ...valueTexts.map((text) => invalidValue(field, value, text)),
  ]
}

function annotationErrors(annotations: Record<string, string>): FieldError[] {
  const field = 'metadata.annotations'
  const entries = Object.entries(annotations)
  const keys = entries.flatMap(([key]) =>
    qualifiedName(key.toLowerCase()).map((text) => invalidValue(field, key, text)),
  )
  const size = entries.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0)
  return size > MAX_ANNOTATIONS ? [...keys, tooLong(field, MAX_ANNOTATIONS)] : keys
}

function qualifiedName(key: string): string[] {
  const [first = '', second, ...more] = key.split('/')
  if (more.length > 0) {
    return [
      `a qualified name ${NAME_PART_TEXT.slice('name part '.length)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  if (second === undefined) return namePart(first)
  const prefix =
    first === ''
      ? ['prefix part must be non-empty']
      : dnsSubdomain(first).map((text) => `prefix part ${text}`)
  return [...prefix, ...namePart(second)]
}

function namePart(name: string): string[] {
  if (name === '') return ['name part must be non-empty', NAME_PART_TEXT]
  const long = longerThan(name, MAX_LABEL).map((text) => `name part ${text}`)
  return [...long, ...unless(matches(NAME_PART, name), NAME_PART_TEXT)]
}

function longerThan(text: string, limit: number): string[] {
  return text.length > limit ? [`must be no more than ${limit} characters`] : []
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^(?:${pattern})$`).test(text)
}

function unless(holds: boolean, text: string): string[] {
  return holds ? [] : [text]
}

function byteLength(text: string): number {
  return Buffer.byteLength(text)
}
