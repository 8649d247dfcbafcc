/** Breaks text for people at a width, so that what they copy out of it still works. */

/** Breaks between words alone, and never within a command: the shell would run its first line. */
export function wrap(text: string, width: number | undefined, indent: number): string[] {
  if (width === undefined) return [text]
  const room = width - indent
  const lines: string[] = []
  for (const unit of unitsOf(text)) {
    const last = lines.at(-1)
    const fits = last !== undefined && last.length + 1 + unit.length <= room
    if (fits) lines[lines.length - 1] = `${last} ${unit}`
    else lines.push(unit)
  }
  return lines
}

/** Words, and commands as a whole. A terminal wraps what is too long for a line, and copies it in one. */
function unitsOf(text: string): readonly string[] {
  const words = text.split(' ')
  const units: string[] = []
  let isCommand = false
  for (const [index, word] of words.entries()) {
    if (isCommand && !AFTER.test(word)) units.push(`${units.pop() ?? ''} ${word}`)
    else {
      units.push(word)
      isCommand = COMMAND.test(`${word} ${words[index + 1] ?? ''}`)
    }
    isCommand &&= !/[;,:)]$/.test(word)
  }
  return units
}

const VAULT = 'audit|auth|delete|list|login|operator|policy|read|secrets|status|token|write'
const OWN =
  'adopt|demo|dev|diff|doctor|edit|encrypt|init|provision|read|retire|rewrap|rollback|rotate|set|status|textconv|unretire|unset|verify'

/** The first two words of a command: prose begins a sentence with neither pair. */
const COMMAND = new RegExp(
  String.raw`^\(?(?:kubectl [\w-]|export [A-Z_]+=|iconv -|rm -|npm install|vault (?:${VAULT})\b|secretmanager (?:${OWN})\b)`,
)

/** Words that go on in prose. */
const AFTER = /^(?:\(|(?:and|does|is|or|then|to|which|with|would)$)/
