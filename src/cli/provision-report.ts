/** How a provision is told: what differs, what was done, what was tried. */
import {
  isWork,
  type Change,
  type FieldChange,
  type Note,
  type Verdict,
} from '../provision/change.ts'
import { isBroken, isOtherwise, type Proof } from '../provision/proof.ts'
import { paragraph, strong, type Output, type Sheet } from './output.ts'
import { shownName } from './shown.ts'

/** Columns of what is done. */
const ACTION = 9

/** Prints one change: what, where, and which settings. */
export function printChange({ data }: Output, { where, what, action, fields }: Change): void {
  const settings = fields.map(fieldText).join('; ')
  const place = where === 'vault' ? '' : ` (${where})`
  const more = settings === '' ? '' : `: ${settings}`
  row(data, action, `${shownName(what)}${place}${more}`, true)
}

function row(sheet: Sheet, label: string, text: string, isStrong: boolean): void {
  const head = label.padEnd(ACTION)
  paragraph(sheet, text, ACTION, isStrong ? strong(sheet, head) : head)
}

/** Settings are not secret; those that are long are only named. */
function fieldText({ field, from, to }: FieldChange): string {
  if (from === undefined && to === undefined) return field
  const before = from === undefined || from === '' ? 'none' : shownName(from)
  return to === undefined ? `${field} (was ${before})` : `${field} ${before} -> ${shownName(to)}`
}

/** Prints what a person should know, risks first. */
export function printNotes({ notes: sheet }: Output, notes: readonly Note[]): void {
  const ordered = [...notes.filter(({ isRisk }) => isRisk), ...notes.filter((one) => !one.isRisk)]
  for (const { about, says, isRisk } of ordered) {
    paragraph(sheet, `${isRisk ? 'risk' : 'note'}: ${shownName(about)} ${shownName(says)}`, 0)
  }
}

/** Prints how many there are of what. */
export function printSummary({ notes }: Output, { changes }: Verdict, done: string): void {
  const work = changes.filter(isWork)
  const same = changes.length - work.length
  const rest = same === 0 ? '' : `, ${same} as they should be`
  notes.line(work.length === 0 ? `nothing to do${rest}` : `${work.length} ${done}${rest}`)
}

/** Prints what was tried: in one line where all is as it must be. */
export function printProofs(output: Output, proofs: readonly Proof[]): void {
  const { data, notes } = output
  const tried = proofs.filter(({ outcome }) => outcome !== 'not tried')
  const sound = tried.filter((proof) => !isOtherwise(proof))
  notes.line(`tried ${tried.length}: ${sound.length} as they should be`)
  for (const proof of proofs.filter((each) => !tried.includes(each))) {
    paragraph(notes, `not tried: ${trialOf(proof)}: ${proof.reason ?? ''}`, 0)
  }
  for (const proof of tried.filter(isOtherwise)) {
    const adopted = isBroken(proof) ? '' : ', as it was adopted'
    row(data, proof.outcome, `${trialOf(proof)}${adopted}`, isBroken(proof))
  }
}

function trialOf({ app, cluster, what }: Proof): string {
  return `${what} (${app === undefined ? '' : `${app}, `}cluster ${cluster})`
}

/** All of it for programs. */
export function printJson(
  { data }: Output,
  { changes, conflicts, notes }: Verdict,
  more: { readonly isDone: boolean; readonly proofs?: readonly Proof[] | undefined },
): void {
  const plain = changes.map(({ where, what, action, fields }) => ({ where, what, action, fields }))
  const { isDone, proofs } = more
  const report = { done: isDone, changes: plain, conflicts, notes, ...(proofs && { proofs }) }
  data.line(JSON.stringify(report))
}
