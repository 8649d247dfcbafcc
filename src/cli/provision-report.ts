/** How a provision is told: what differs, what was done, what was tried. */
import {
  isWork,
  type Change,
  type FieldChange,
  type Note,
  type Verdict,
} from '../provision/change.ts'
import { isBroken, isOtherwise, type Proof } from '../provision/prove.ts'
import { dim, paragraph, strong, type Output } from './output.ts'
import { shownName } from './shown.ts'

/** Columns of what is done. */
const ACTION = 9

/** Prints one change: what, where, and which settings. */
export function printChange({ data }: Output, { where, what, action, fields }: Change): void {
  const settings = fields.map(fieldText).join('; ')
  const place = where === 'vault' ? '' : dim(data, ` (${where})`)
  const more = settings === '' ? '' : dim(data, `: ${settings}`)
  data.line(`${strong(data, action.padEnd(ACTION))}${shownName(what)}${place}${more}`)
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
  for (const { app, cluster, what, reason } of proofs.filter((each) => !tried.includes(each))) {
    notes.line(`not tried: ${what} (${app}, cluster ${cluster}): ${reason ?? ''}`)
  }
  for (const proof of tried.filter(isOtherwise)) {
    const { app, cluster, what, outcome } = proof
    const label = isBroken(proof) ? strong(data, outcome.padEnd(ACTION)) : outcome.padEnd(ACTION)
    const adopted = isBroken(proof) ? '' : ', as it was adopted'
    data.line(`${label}${what} (${app}, cluster ${cluster})${adopted}`)
  }
}

/** All of it for programs. */
export function printJson(
  { data }: Output,
  { changes, notes }: Verdict,
  more: { readonly isDone: boolean; readonly proofs?: readonly Proof[] | undefined },
): void {
  const plain = changes.map(({ where, what, action, fields }) => ({ where, what, action, fields }))
  const { isDone, proofs } = more
  data.line(JSON.stringify({ done: isDone, changes: plain, notes, ...(proofs && { proofs }) }))
}
