/**
 * What the text of a policy says, as far as the question who can decrypt needs it: paths and
 * capabilities. What limits parameters is not looked at, so more may be told than is granted.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/policies
 */
import { itemsOf, type HclItem, type HclValue } from './hcl.ts'

/** One `path` block. */
export interface PathRule {
  /** As a request has it: without a leading slash. */
  readonly path: string
  readonly capabilities: readonly string[]
  /**
   * Whether it holds as it stands. One whose path has a template holds for some tokens and not for
   * others, one with an `expiration` (OpenBao) until then; one with a field that is not known here, nobody can tell.
   */
  readonly isCertain: boolean
}

/** Reads the rules of a policy, in HCL or JSON; `undefined` for what cannot be understood. */
export function rulesOf(text: string): readonly PathRule[] | undefined {
  const items = itemsOf(text)
  const rules: PathRule[] = []
  for (const item of items ?? []) {
    const [key] = item.keys
    if (key === 'name' && item.value.kind === 'text') continue
    const rule = key === 'path' ? ruleOf(item) : undefined
    if (rule === undefined) return undefined
    rules.push(rule)
  }
  return items && rules
}

/** Fields that change nothing about what may be granted at most. */
const LIMITS: ReadonlySet<string> = new Set([
  'comment',
  'allowed_parameters',
  'denied_parameters',
  'required_parameters',
  'min_wrapping_ttl',
  'max_wrapping_ttl',
  'mfa_methods',
  'control_group',
  'subscribe_event_types',
  'pagination_limit',
  'list_scan_response_keys_filter_path',
])
const GRANTS: ReadonlySet<string> = new Set(['capabilities', 'policy'])

function ruleOf({ keys, value }: HclItem): PathRule | undefined {
  if (value.kind !== 'object') return undefined
  const { items } = value
  const capabilities = capabilitiesOf(items)
  const names = items.map(({ keys: [name = ''] }) => name)
  // Vault's decoder minds no case where its check of names lets one through.
  const isMisspelt = names.some((name) => !GRANTS.has(name) && GRANTS.has(name.toLowerCase()))
  if (capabilities === undefined || isMisspelt) return undefined
  // A block without a label is for the path that is called so.
  const [, path = 'path'] = keys
  const isKnown = names.every((name) => GRANTS.has(name) || LIMITS.has(name))
  return {
    path: path.replace(/^\//, ''),
    capabilities,
    isCertain: isKnown && !path.includes('{{'),
  }
}

/** From before there were capabilities. */
const OLD: ReadonlyMap<string, readonly string[]> = new Map([
  ['deny', ['deny']],
  ['read', ['read', 'list']],
  ['write', ['create', 'read', 'update', 'delete', 'list']],
  ['sudo', ['create', 'read', 'update', 'delete', 'list', 'sudo']],
])

/** Lists that come twice are one. */
function capabilitiesOf(items: readonly HclItem[]): readonly string[] | undefined {
  const granting = items.filter(({ keys: [name = ''] }) => GRANTS.has(name))
  const found: string[] = []
  for (const { keys, value } of granting) {
    const names = keys[0] === 'policy' ? oldNames(value) : newNames(value)
    if (names === undefined || keys.length > 1) return undefined
    found.push(...names)
  }
  return found
}

function oldNames(value: HclValue): readonly string[] | undefined {
  return value.kind === 'text' ? OLD.get(value.text) : undefined
}

function newNames(value: HclValue): readonly string[] | undefined {
  if (value.kind !== 'list') return undefined
  const texts = value.values.flatMap((one) => (one.kind === 'text' ? [one.text] : []))
  return texts.length === value.values.length ? texts : undefined
}
