/** Policies as data, and every way in which Vault lets them be written. */
import fc from 'fast-check'

/** One `path` block. */
export interface Block {
  readonly path: string
  readonly capabilities: readonly string[]
  readonly comment?: string | undefined
}

export const DECRYPT = 'transit/decrypt/app'

const segment = fc.constantFrom('transit', 'decrypt', 'app', '+', 'other', 'de', 'a+b', '*', 'App')
const path = fc
  .tuple(
    fc.constantFrom('', '', '', '/'),
    fc.array(segment, { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '*', '/*', '/'),
  )
  .map(([start, parts, end]) => `${start}${parts.join('/')}${end}`)
  // Vault refuses such a policy.
  .filter((text) => !text.includes('+*'))
const capability = fc.constantFrom('create', 'read', 'update', 'update', 'deny', 'list', 'sudo')
/** What must not be taken for anything but text. */
const comment = fc.constantFrom('path "a" {', '}', '"]', '# {', '*/', '<<EOT', '${a}', 'ü\\"', '//')

/** Blocks of a policy; the same path may come twice. */
export const blocks: fc.Arbitrary<readonly Block[]> = fc.array(
  fc.record({
    path,
    capabilities: fc.uniqueArray(capability),
    comment: fc.option(comment, { nil: undefined }),
  }),
  { maxLength: 5 },
)

/** A choice for each place where there is one. */
export type Choices = (most: number) => number

/** Choices that are made by chance, and come again with their seed. */
export const choices: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(1000), {
  minLength: 16,
  maxLength: 16,
})

/** The same choices in their order, over and over. */
export function chooser(numbers: readonly number[]): Choices {
  let at = 0
  return (most) => {
    at += 1
    return (numbers[at % numbers.length] ?? 0) % most
  }
}

/** Writes a policy in the one way that every example has. */
export function plainText(policy: readonly Block[]): string {
  return policy
    .map((one) => `path "${one.path}" { capabilities = ${JSON.stringify(one.capabilities)} }`)
    .join('\n')
}

/** Writes a policy in one of the ways that there are; `undefined` where this policy has no such form. */
export function anyText(policy: readonly Block[], choose: Choices): string {
  const isJson = choose(3) === 0 && !hasTwice(policy)
  return isJson ? json(policy, choose) : hcl(policy, choose)
}

function hasTwice(policy: readonly Block[]): boolean {
  return new Set(policy.map((one) => one.path)).size < policy.length
}

function json(policy: readonly Block[], choose: Choices): string {
  const rules = policy.map((one) => ({ [one.path]: body(one) }))
  // Vault takes no empty list.
  const all = choose(2) === 0 && rules.length > 0 ? rules : Object.assign({}, ...rules)
  const name = choose(2) === 0 ? { name: 'app' } : {}
  return JSON.stringify({ ...name, path: all }, undefined, choose(3))
}

const body = ({ capabilities, comment: text }: Block): object => ({
  ...(text !== undefined && { comment: text }),
  capabilities,
})

function hcl(policy: readonly Block[], choose: Choices): string {
  const gap = (): string => GAPS[choose(GAPS.length)] ?? ' '
  const separator = (): string => ['\n', ',\n', ' ', '\r\n'][choose(4)] ?? '\n'
  const head = choose(3) === 0 ? `"name" = "app"${separator()}` : ''
  const written = policy.map((one) => {
    const label = [`"${one.path}"`, `"${one.path}" "label"`][choose(8) === 0 ? 1 : 0]
    const inner = fields(one, choose, gap).join(separator())
    return `${word('path', choose)}${gap()}${label}${gap()}{${gap()}${inner}${gap()}}`
  })
  return `${gap()}${head}${written.map((one) => `${one}${separator()}`).join('')}`
}

/** What may stand wherever a space may. */
const GAPS: readonly string[] = [
  ' ',
  '\t',
  '\n',
  '\r\n',
  ' # path "transit/decrypt/app" { capabilities = ["update"] }\n',
  ' // }\n',
  '/* "path" */',
  ' /* path "x" {\n * } */ ',
]

function word(name: string, choose: Choices): string {
  return choose(2) === 0 ? name : `"${name}"`
}

function fields(one: Block, choose: Choices, gap: () => string): readonly string[] {
  const { comment: text } = one
  const remark = text === undefined ? [] : [remarkOn(text, choose)]
  const limits = LIMITS[choose(LIMITS.length)] ?? ''
  return [...remark, ...(limits === '' ? [] : [limits]), ...granted(one, choose, gap)]
}

function remarkOn(text: string, choose: Choices): string {
  // A heredoc ends with its line.
  if (choose(2) === 0) return `comment = <<EOT\n${text}\nEOT\n`
  if (choose(2) === 0) return `comment = <<-EOT\n  ${text}\n  EOT\n`
  return `comment = "${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

const LIMITS: readonly string[] = [
  '',
  '',
  'allowed_parameters = { "capabilities" = ["]", "update"] }',
  '"allowed_parameters" { context = [] }',
  'required_parameters = ["policy"]',
  'min_wrapping_ttl = "1s"',
  'min_wrapping_ttl = 5',
]

/** From before there were capabilities. */
const OLD: Readonly<Record<string, string>> = {
  deny: 'deny',
  'list,read': 'read',
}

function granted({ capabilities }: Block, choose: Choices, gap: () => string): readonly string[] {
  const old = OLD[capabilities.toSorted().join()]
  if (old !== undefined && choose(2) === 0) return [`${word('policy', choose)} = "${old}"`]
  const list = (names: readonly string[]): string => {
    const comma = ['', ','][choose(2)] ?? ''
    const items = names.map((name) => `${gap()}"${name}"`)
    return `[${items.join(',')}${items.length > 0 ? comma : ''}${gap()}]`
  }
  const field = (names: readonly string[]): string =>
    `${word('capabilities', choose)}${gap()}=${gap()}${list(names)}`
  // Lists that come twice are one.
  if (capabilities.length < 2 || choose(4) > 0) return [field(capabilities)]
  return [field(capabilities.slice(0, 1)), field(capabilities.slice(1))]
}
