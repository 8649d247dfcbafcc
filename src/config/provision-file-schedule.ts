/**
 * Schedules of CronJobs, so that one which the API server would refuse is refused before anything is done.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
 */

/** Whether a CronJob can have this schedule. */
export function isSchedule(text: string): boolean {
  if (text.startsWith('@')) return SHORT.has(text.slice(1))
  const fields = text.split(' ')
  return fields.length === FIELDS.length && FIELDS.every((field, at) => isList(fields[at], field))
}

const SHORT: ReadonlySet<string> = new Set([
  'yearly',
  'annually',
  'monthly',
  'weekly',
  'daily',
  'midnight',
  'hourly',
])

interface Field {
  readonly least: number
  readonly most: number
  /** Stand for {@link least} and what follows. */
  readonly names?: readonly string[]
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const FIELDS: readonly Field[] = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12, names: MONTHS },
  { least: 0, most: 6, names: DAYS },
]

function isList(text: string | undefined, field: Field): boolean {
  return text?.split(',').every((part) => isRange(part, field)) ?? false
}

function isRange(text: string, field: Field): boolean {
  const [range = '', step, ...more] = text.split('/')
  const isStep = step === undefined || /^[1-9]\d{0,3}$/.test(step)
  return isStep && more.length === 0 && isSpan(range, field)
}

function isSpan(text: string, field: Field): boolean {
  if (text === '*' || text === '?') return true
  const ends = text.split('-').map((end) => numberOf(end, field))
  const [from, to] = ends.length === 1 ? [...ends, ...ends] : ends
  if (from === undefined || to === undefined || ends.length > 2) return false
  return from >= field.least && from <= to && to <= field.most
}

function numberOf(text: string, { least, names = [] }: Field): number | undefined {
  const at = names.indexOf(text.toLowerCase())
  if (at >= 0) return least + at
  return /^\d{1,2}$/.test(text) ? Number(text) : undefined
}
