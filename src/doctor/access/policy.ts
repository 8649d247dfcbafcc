/**
 * What the text of a policy grants on one path, as far as the question who can decrypt needs it:
 * paths and capabilities. What limits parameters is not looked at, so more may be told than is granted.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/policies
 */
import { isRecord, textsOf } from '../../lib/record.ts'

/** One `path` block. */
export interface PathRule {
  readonly path: string
  readonly capabilities: readonly string[]
}

/** Reads the rules of a policy, in HCL or JSON; `undefined` for what cannot be understood. */
export function rulesOf(text: string): readonly PathRule[] | undefined {
  return text.trimStart().startsWith('{') ? rulesOfJson(text) : rulesOfHcl(text)
}

/** Whether rules of several policies together grant one of `wanted` on `path`, in Vault's order of priority. */
export function grants(
  rules: readonly PathRule[],
  path: string,
  wanted: readonly string[],
): boolean {
  const matching = rules.filter((rule) => matches(rule.path, path))
  const [best] = matching.map((rule) => rule.path).toSorted(byPriority)
  const merged = new Set(
    matching.filter((rule) => rule.path === best).flatMap(({ capabilities }) => capabilities),
  )
  return !merged.has('deny') && wanted.some((name) => merged.has(name))
}

function rulesOfJson(text: string): readonly PathRule[] | undefined {
  try {
    const policy: unknown = JSON.parse(text)
    const blocks = isRecord(policy) ? [policy['path']].flat() : []
    return blocks.filter(isRecord).flatMap((block) =>
      Object.entries(block).map(([path, rule]) => {
        const { capabilities = [], policy: old } = isRecord(rule) ? rule : {}
        return { path, capabilities: [...textsOf(capabilities), ...(OLD.get(String(old)) ?? [])] }
      }),
    )
  } catch {
    return undefined
  }
}

/** From before there were capabilities. */
const OLD: ReadonlyMap<string, readonly string[]> = new Map([
  ['deny', ['deny']],
  ['read', ['read', 'list']],
  ['write', ['create', 'read', 'update', 'delete', 'list']],
  ['sudo', ['create', 'read', 'update', 'delete', 'list', 'sudo']],
])

/** Strings and braces, and what stands between them; comments are left out. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|[{}[\]=,]|[\w.-]+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\s+|./gy

function tokensOf(text: string): readonly string[] {
  const tokens = text.match(TOKEN) ?? []
  return tokens.filter((token) => !/^(?:\s|#|\/\/|\/\*)/.test(token))
}

function rulesOfHcl(text: string): readonly PathRule[] | undefined {
  const tokens = tokensOf(text)
  const rules: PathRule[] = []
  for (let at = 0; at < tokens.length;) {
    const [word, label = '', brace] = tokens.slice(at, at + 3)
    if (word === 'name') {
      at += 3
      continue
    }
    const end = brace === '{' ? closing(tokens, at + 2) : undefined
    if (word !== 'path' || !label.startsWith('"') || end === undefined) return undefined
    rules.push({ path: unquoted(label), capabilities: capabilitiesIn(tokens.slice(at + 3, end)) })
    at = end + 1
  }
  return rules
}

function closing(tokens: readonly string[], from: number): number | undefined {
  let depth = 0
  for (let at = from; at < tokens.length; at += 1) {
    if (tokens[at] === '{') depth += 1
    if (tokens[at] === '}') depth -= 1
    if (depth === 0) return at
  }
  return undefined
}

/** Of the block itself: what stands in blocks within it limits parameters. */
function capabilitiesIn(tokens: readonly string[]): readonly string[] {
  const from = tokens.indexOf('capabilities')
  if (from >= 0) {
    const list = tokens.slice(from, tokens.indexOf(']', from))
    return list.filter((token) => token.startsWith('"')).map(unquoted)
  }
  const old = tokens.indexOf('policy')
  return old < 0 ? [] : (OLD.get(unquoted(tokens[old + 2] ?? '')) ?? [])
}

function unquoted(token: string): string {
  return token.slice(1, -1).replaceAll(/\\(.)/g, '$1')
}

/** `+` stands for a segment, `*` at the end for anything; a template for whatever its entity has. */
function matches(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith('*')
  const own = (isPrefix ? pattern.slice(0, -1) : pattern).split('/')
  const asked = path.split('/')
  if (isPrefix ? own.length > asked.length : own.length !== asked.length) return false
  return own.every((segment, at) => {
    const text = asked[at] ?? ''
    if (segment === '+' || segment.includes('{{')) return true
    return isPrefix && at === own.length - 1 ? text.startsWith(segment) : text === segment
  })
}

/** The more exact one first. */
function byPriority(a: string, b: string): number {
  return (
    firstWildcard(b) - firstWildcard(a) ||
    Number(a.endsWith('*')) - Number(b.endsWith('*')) ||
    plusses(a) - plusses(b) ||
    b.length - a.length ||
    (a < b ? 1 : -1)
  )
}

function firstWildcard(pattern: string): number {
  const at = pattern.search(/\+|\*$/)
  return at < 0 ? Infinity : at
}

function plusses(pattern: string): number {
  return pattern.split('/').filter((segment) => segment === '+').length
}
