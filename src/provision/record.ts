/**
 * What the description of an auth mount says of the cluster it is for. Vault keeps it beside the keys
 * that it trusts, so that whoever comes with another kubeconfig meets it.
 */

/** One cluster, as the mount knows it. */
export interface MountRecord {
  readonly cluster: string
  /** UID of its namespace kube-system, which lives as long as the cluster. */
  readonly uid: string
  /** The token that Vault reviews others by. */
  readonly reviewer?: ReviewerTerm | undefined
}

/** When a token was issued, and when it ends, in Unix milliseconds. */
export interface ReviewerTerm {
  readonly from: number
  readonly until: number
}

const PATTERN =
  /\[secretmanager cluster=([a-z0-9-]+) uid=([\w-]+)(?: reviewer=([\dTZ:.-]+)\/([\dTZ:.-]+))?\]/

/** Reads the record in a description; `undefined` where there is none. */
export function readRecord(description: string): MountRecord | undefined {
  const [, cluster, uid, from, until] = PATTERN.exec(description) ?? []
  if (cluster === undefined || uid === undefined) return undefined
  const term = { from: Date.parse(from ?? ''), until: Date.parse(until ?? '') }
  const isKnown = !Number.isNaN(term.from) && !Number.isNaN(term.until)
  return { cluster, uid, reviewer: isKnown ? term : undefined }
}

/** Puts the record into a description, in place of the one there is; the rest stays as it is. */
export function withRecord(description: string, { cluster, uid, reviewer }: MountRecord): string {
  const term = reviewer ? ` reviewer=${timeOf(reviewer.from)}/${timeOf(reviewer.until)}` : ''
  const record = `[secretmanager cluster=${cluster} uid=${uid}${term}]`
  if (PATTERN.test(description)) return description.replace(PATTERN, record)
  return description === '' ? record : `${description} ${record}`
}

/** A description as it was before. */
export function withoutRecord(description: string): string {
  return description.replace(PATTERN, '').trim()
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}

/** Whether half of the token's life is over: what is renewed then never ends by surprise. */
export function isDue({ from, until }: ReviewerTerm, now: number): boolean {
  return now >= from + (until - from) / 2
}
