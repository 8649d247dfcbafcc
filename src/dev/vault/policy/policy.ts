/** Policies: text to rules. https://openbao.org/docs/concepts/policies/ */
import { multierror, refusal } from '../core/failure.ts'
import { HclError, parseHcl, type HclItem, type HclValue } from './hcl.ts'

/** What a policy can grant on a path. */
export type Capability =
  | 'deny'
  | 'create'
  | 'read'
  | 'update'
  | 'delete'
  | 'list'
  | 'sudo'
  | 'patch'
  | 'scan'

/** Values by lower-case parameter name; an empty list stands for every value. */
export type Parameters = Readonly<Record<string, readonly unknown[]>>

/** One `path` block. */
export interface PathRule {
  readonly path: string
  readonly capabilities: ReadonlySet<Capability>
  readonly allowed: Parameters | undefined
  readonly denied: Parameters | undefined
  readonly required: readonly string[]
}

const CAPABILITIES: readonly Capability[] = [
  'deny',
  'create',
  'read',
  'update',
  'delete',
  'list',
  'sudo',
  'patch',
  'scan',
]

const OLD_POLICIES: Readonly<Record<string, readonly Capability[]>> = {
  deny: ['deny'],
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  sudo: ['create', 'read', 'update', 'delete', 'list', 'sudo'],
}

const PATH_KEYS: ReadonlySet<string> = new Set([
  'comment',
  'policy',
  'capabilities',
  'allowed_parameters',
  'denied_parameters',
  'required_parameters',
  'min_wrapping_ttl',
  'max_wrapping_ttl',
  'mfa_methods',
  'pagination_limit',
  'expiration',
  'list_scan_response_keys_filter_path',
])

/** The rules of a policy text. @throws VaultFailure 400 `failed to parse policy: …` */
export function parsePolicy(text: string): readonly PathRule[] {
  try {
    const items = parseHcl(text)
    checkKeys(items, new Set(['name', 'path']), '')
    return items.filter(({ key }) => key === 'path').map(toRule)
  } catch (error) {
    if (error instanceof HclError || error instanceof PolicyError) {
      throw refusal(`failed to parse policy: ${error.message}`)
    }
    throw error
  }
}

class PolicyError extends Error {}

function checkKeys(items: readonly HclItem[], known: ReadonlySet<string>, prefix: string): void {
  const bad = items
    .filter(({ key }) => !known.has(key))
    .map(
      ({ key, assignLine }) => `${prefix}invalid key ${JSON.stringify(key)} on line ${assignLine}`,
    )
  if (bad.length > 0) throw new PolicyError(multierror(bad))
}

function toRule({ labels, value }: HclItem): PathRule {
  const written = labels[0] ?? 'path'
  const label = `path ${JSON.stringify(written)}: `
  checkKeys(value.items, PATH_KEYS, label)
  if (written.includes('+*')) {
    throw new PolicyError(`${label}invalid use of wildcards ('+*' is forbidden)`)
  }
  const find = (key: string): HclValue | undefined =>
    value.items.findLast((item) => item.key === key)?.value
  return {
    path: written.replace(/^\//, ''),
    capabilities: capabilitiesOf(find, label),
    allowed: parametersOf(find('allowed_parameters')),
    denied: parametersOf(find('denied_parameters')),
    required: strings(find('required_parameters'), label),
  }
}

function capabilitiesOf(
  find: (key: string) => HclValue | undefined,
  label: string,
): ReadonlySet<Capability> {
  const names = [...strings(find('capabilities'), label), ...oldPolicy(find('policy'), label)]
  for (const name of names) {
    if (!CAPABILITIES.some((known) => known === name)) {
      throw new PolicyError(`${label}invalid capability ${JSON.stringify(name)}`)
    }
  }
  const granted = CAPABILITIES.filter((capability) => names.includes(capability))
  return new Set(granted.includes('deny') ? ['deny'] : granted)
}

function oldPolicy(value: HclValue | undefined, label: string): readonly string[] {
  if (!value) return []
  const name = String(value.plain)
  const capabilities = OLD_POLICIES[name]
  if (!capabilities) throw new PolicyError(`${label}invalid policy ${JSON.stringify(name)}`)
  return capabilities
}

function strings(value: HclValue | undefined, label: string): readonly string[] {
  if (!value) return []
  if (!Array.isArray(value.plain)) {
    const { line, column } = value
    throw new PolicyError(`${label}At ${line}:${column}: unknown slice type: *ast.LiteralType`)
  }
  return value.plain.map(String)
}

function parametersOf(value: HclValue | undefined): Parameters | undefined {
  if (!value) return undefined
  return Object.fromEntries(
    value.items.map((item) => [
      item.key.toLowerCase(),
      Array.isArray(item.value.plain) ? item.value.plain : [item.value.plain],
    ]),
  )
}
