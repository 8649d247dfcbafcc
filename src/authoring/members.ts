/**
 * Changes of a JSON dictionary as text: one member is written, replaced or taken out, and every other
 * byte stays. A document that is serialised anew would lose its order, its spacing and its numbers.
 */

/** A name and its value at the top level. Positions count in UTF-16 units, the last is behind the value. */
export interface Member {
  readonly name: string
  readonly start: number
  readonly nameEnd: number
  readonly valueStart: number
  readonly end: number
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\t\n\r "{}[\]:,]+/gs

/**
 * Finds the members at the top level.
 *
 * @param text - a dictionary that {@link parseDictionary} has accepted: nothing is checked here
 */
export function membersOf(text: string): readonly Member[] {
  const found: Member[] = []
  let depth = 0
  let tokens: Token[] = []
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const isClosing = token === '}' || token === ']'
    if (isClosing) depth -= 1
    const endsMember = depth === 0 || (depth === 1 && token === ',')
    if (endsMember) {
      found.push(...memberIn(text, tokens))
      tokens = []
    } else tokens.push({ start: index, end: index + token.length })
    if (token === '{' || token === '[') depth += 1
  }
  return found
}

/**
 * Gives `name` the value `json`: in the place of the one it has, or behind the last member, spaced as that one.
 *
 * @param text - a dictionary that {@link parseDictionary} has accepted
 * @param json - text of a JSON value
 */
export function withMember(text: string, name: string, json: string): string {
  const members = membersOf(text)
  const present = members.find((member) => member.name === name)
  if (present) return text.slice(0, present.valueStart) + json + text.slice(present.end)
  const last = members.at(-1)
  if (!last) return withFirst(text, `${JSON.stringify(name)}: ${json}`)
  const colon = text.slice(last.nameEnd, last.valueStart)
  const member = separator(text, members, colon) + JSON.stringify(name) + colon + json
  return text.slice(0, last.end) + member + text.slice(last.end)
}

/** Takes members out, each with the comma that it needed. Names that are not there are ignored. */
export function withoutMembers(text: string, names: readonly string[]): string {
  return names.reduce(withoutMember, text)
}

interface Token {
  readonly start: number
  readonly end: number
}

/** The member that these tokens are: a name, a colon, and what the value has. */
function memberIn(text: string, tokens: readonly Token[]): Member[] {
  // Before the first member stands what opens the dictionary.
  const [name, , value] = text[tokens[0]?.start ?? 0] === '{' ? tokens.slice(1) : tokens
  const last = tokens.at(-1)
  if (!name || !value || !last) return []
  const { start, end: nameEnd } = name
  const decoded: unknown = JSON.parse(text.slice(start, nameEnd))
  return [{ name: String(decoded), start, nameEnd, valueStart: value.start, end: last.end }]
}

/** Into a dictionary without members. Lines stay lines. */
function withFirst(text: string, member: string): string {
  const [open, close] = [text.indexOf('{'), text.lastIndexOf('}')]
  const inside = text.slice(open + 1, close).includes('\n') ? `\n  ${member}\n` : member
  return text.slice(0, open + 1) + inside + text.slice(close)
}

/** What stands between the last two members; where there is one alone, what stands before it. */
function separator(text: string, members: readonly Member[], colon: string): string {
  const [before, last] = members.slice(-2)
  if (before && last) return text.slice(before.end, last.start)
  const space = text.slice(text.indexOf('{') + 1, before?.start)
  return `,${space || (colon.endsWith(' ') ? ' ' : '')}`
}

function withoutMember(text: string, name: string): string {
  const members = membersOf(text)
  const at = members.findIndex((member) => member.name === name)
  const [previous, member, next] = [members[at - 1], members[at], members[at + 1]]
  if (!member) return text
  if (previous) return text.slice(0, previous.end) + text.slice(member.end)
  if (next) return text.slice(0, member.start) + text.slice(next.start)
  return text.slice(0, text.indexOf('{') + 1) + text.slice(text.lastIndexOf('}'))
}
