import type { SecretManagerError } from '../errors.ts'
import { invalid, list, quoted, section, text, type Section } from './section.ts'

/** Largest kubeconfig that is parsed, in bytes. */
const LARGEST = 1 << 20

/** Deepest nesting that is parsed; a kubeconfig has about ten levels. */
const DEEPEST = 100

/** The three kinds of named things in a kubeconfig. */
export type EntryKind = 'cluster' | 'context' | 'user'

/** One kubeconfig: its named entries, unchecked until one is chosen. */
export interface Kubeconfig {
  readonly currentContext: string | undefined
  readonly cluster: ReadonlyMap<string, Entry>
  readonly context: ReadonlyMap<string, Entry>
  readonly user: ReadonlyMap<string, Entry>
}

/** The body of a named entry and the file it stands in. */
export interface Entry {
  readonly file: string
  readonly body: unknown
}

/**
 * Parses one kubeconfig.
 *
 * @throws SM_CONFIG_INVALID naming the file and the line; never its content
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export async function parseKubeconfig(file: string, bytes: Uint8Array): Promise<Kubeconfig> {
  const where = `kubeconfig ${file}`
  if (bytes.length > LARGEST) {
    throw invalid(where, 'is larger than 1 MiB', 'name a kubeconfig')
  }
  const root = section(await parseDocument(decode(where, bytes), where), file, where)
  return {
    currentContext: text(root, 'current-context'),
    cluster: entries(root, 'cluster'),
    context: entries(root, 'context'),
    user: entries(root, 'user'),
  }
}

/** Merges as kubectl does: the first file that sets something wins, whole entries at a time. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  return {
    currentContext: configs.find((config) => config.currentContext)?.currentContext,
    cluster: firstWins(configs.flatMap((config) => [...config.cluster])),
    context: firstWins(configs.flatMap((config) => [...config.context])),
    user: firstWins(configs.flatMap((config) => [...config.user])),
  }
}

function decode(where: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid(where, 'is not UTF-8 text', 'name a kubeconfig')
  }
}

async function parseDocument(source: string, where: string): Promise<unknown> {
  const json = source.trimStart().startsWith('{') ? parseJson(source) : undefined
  return json === undefined ? parseYaml(source, where) : json.value
}

/** `undefined` for what is no JSON: YAML may begin with a brace too. */
function parseJson(source: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(source) }
  } catch {
    return undefined
  }
}

async function parseYaml(source: string, where: string): Promise<unknown> {
  const yaml = await import('yaml')
  if (isTooDeep(yaml, source)) {
    throw invalid(where, `is nested deeper than ${DEEPEST} levels`, 'name a kubeconfig')
  }
  const document = yaml.parseDocument(source, { logLevel: 'silent' })
  const [problem] = document.errors
  if (problem) throw notYaml(where, problem.linePos?.[0].line)
  try {
    return document.toJS()
  } catch {
    // Too many aliases, or one without an anchor; the parser's own message quotes the file.
    throw notYaml(where, undefined)
  }
}

/**
 * Looks before the recursive part of the parser runs: where its stack overflows inside of a regular
 * expression, V8 ends the process instead of throwing.
 */
function isTooDeep(yaml: typeof import('yaml'), source: string): boolean {
  const parser = new yaml.Parser()
  for (const lexeme of new yaml.Lexer().lex(source)) {
    // Only what stays on its stack counts; finished tokens are dropped.
    Array.from(parser.next(lexeme))
    if (parser.stack.length > DEEPEST) return true
  }
  return false
}

function notYaml(where: string, line: number | undefined): SecretManagerError {
  const place = line === undefined ? '' : ` at line ${line}`
  return invalid(where, `is not valid YAML${place}`, 'compare it with one that kubectl wrote')
}

function entries(root: Section, kind: EntryKind): ReadonlyMap<string, Entry> {
  const all = list(root, `${kind}s`).map((item, index): [string, Entry] => {
    const entry = section(item, root.file, `${root.where}: ${kind}s[${index}]`)
    const name = text(entry, 'name')
    if (name === undefined) throw invalid(entry.where, 'has no name', `name the ${kind}`)
    return [name, { file: root.file, body: entry.fields.get(kind) }]
  })
  return firstWins(all)
}

function firstWins(all: readonly [string, Entry][]): ReadonlyMap<string, Entry> {
  // Of equal keys a Map keeps the last.
  return new Map(all.toReversed())
}

/** What a file says under a name, with the words for messages. */
export function entrySection(kind: EntryKind, name: string, { file, body }: Entry): Section {
  return section(body, file, `kubeconfig ${file}: ${kind} ${quoted(name)}`)
}
