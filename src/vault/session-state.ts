/**
 * The life of a Vault token as a pure function: a state and an event in, the next state and what to do
 * out. Nothing here waits, calls or looks at a clock.
 *
 * A token that lives a minute or less serves until shortly before its end, without a timer; the next
 * call logs in. A longer one is renewed at two thirds of its life, if it was used since it was got;
 * where renewing is refused, or gives less and less life, a login takes its place while it is still good.
 */

/** A token that is held. Times are of the session's clock, in milliseconds. */
export interface HeldToken {
  readonly value: string
  readonly type: 'service' | 'batch' | 'given'
  readonly renewable: boolean
  readonly expiresAt: number
  /** Shortly before its end: a request must still arrive in time. */
  readonly usableUntil: number
  /** When its renewal, or the login that replaces it, is due; `Infinity`: never. */
  readonly refreshAt: number
  /** Life that the login gave. */
  readonly fullLifeMs: number
}

/** What a login or a renewal gave. */
export interface Grant {
  readonly token: string
  /** `given`: somebody else's, so it is not revoked. */
  readonly type: 'service' | 'batch' | 'given'
  readonly renewable: boolean
  /** When it was asked for. */
  readonly sentAt: number
  readonly ttlMs: number
  /** A number in [0, 1). */
  readonly random: number
}

/** What is under way. */
export type SessionWork = 'login' | 'renewal'

export interface SessionState {
  readonly token: HeldToken | undefined
  readonly work: SessionWork | undefined
  /** When the timer rings: it is set by the first use after a grant, so a token that nobody uses lapses. */
  readonly wakeAt: number | undefined
  /** Renewals, or logins that replace a token, that failed since the last grant. */
  readonly failures: number
}

export type SessionEvent =
  /** A call needs a token. */
  | { readonly kind: 'wanted' }
  /** The timer rang. */
  | { readonly kind: 'due' }
  | {
      readonly kind: 'granted'
      readonly work: SessionWork
      /** The one that was renewed. */
      readonly token?: string | undefined
      readonly grant: Grant
    }
  | {
      readonly kind: 'failed'
      readonly work: SessionWork
      /** Of a renewal: the token that was to be renewed. */
      readonly token?: string | undefined
      /** Trying again cannot help: Vault answered, and refused. */
      readonly denied: boolean
      /** A number in [0, 1). */
      readonly random: number
    }
  /** Vault refused a call with this token. */
  | { readonly kind: 'refused'; readonly token: string }
  | { readonly kind: 'closed' }

/** At most one thing to do; a `wake` replaces the one before. */
export type SessionEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'login' }
  | { readonly kind: 'renew'; readonly token: string }
  | { readonly kind: 'wake'; readonly at: number }
  | { readonly kind: 'revoke'; readonly token: string }

export interface SessionStep {
  readonly state: SessionState
  readonly effect: SessionEffect
}

export const NO_TOKEN: SessionState = {
  token: undefined,
  work: undefined,
  wakeAt: undefined,
  failures: 0,
}

/** A token that lives no longer is never renewed; a service token with no more left is not worth revoking. */
const SHORT_LIFE_MS = 60_000
/** Never renewed more often than this. */
const LEAST_WAIT_MS = 1000
/** Between attempts that are refused. */
const DENIED_WAIT_MS = 60_000
const LONGEST_WAIT_MS = 30_000

const NOTHING: SessionEffect = { kind: 'none' }

/** Gives the next state and what to do. `now` is of the session's clock. */
export function next(state: SessionState, event: SessionEvent, now: number): SessionStep {
  switch (event.kind) {
    case 'wanted':
      return isUsable(state.token, now) ? used(state, state.token, now) : logIn(state)
    case 'due': {
      // One that was set for a token of before.
      if (state.wakeAt === undefined) return stay(state)
      const rung = { ...state, wakeAt: undefined }
      return isUsable(state.token, now) ? used(rung, state.token, now) : stay(rung)
    }
    case 'granted':
      return isCurrent(state, event.work, event.token) ? granted(state, event) : stay(state)
    case 'failed':
      return isCurrent(state, event.work, event.token) ? failed(state, event, now) : stay(state)
    case 'refused':
      return stay(state.token?.value === event.token ? refused(state) : state)
    case 'closed':
      return closed(state, now)
  }
}

function stay(state: SessionState): SessionStep {
  return { state, effect: NOTHING }
}

function withoutToken(state: SessionState): SessionState {
  return { ...state, token: undefined, wakeAt: undefined }
}

/** An answer that nobody waits for any more changes nothing: the token it belongs to was replaced. */
function isCurrent(state: SessionState, work: SessionWork, token: string | undefined): boolean {
  return work === state.work && (work === 'login' || token === state.token?.value)
}

/** Its renewal no longer counts; a login that was to replace it is now waited for. */
function refused(state: SessionState): SessionState {
  return { ...withoutToken(state), work: state.work === 'login' ? 'login' : undefined }
}

/** Whether a token may be sent with a request. */
export function isUsable(token: HeldToken | undefined, now: number): token is HeldToken {
  return token !== undefined && now < token.usableUntil
}

/** Callers join a login that is under way; a renewal of a token that ended meanwhile no longer counts. */
function logIn(state: SessionState): SessionStep {
  const empty = withoutToken(state)
  if (state.work === 'login') return stay(empty)
  return { state: { ...empty, work: 'login' }, effect: { kind: 'login' } }
}

function used(state: SessionState, token: HeldToken, now: number): SessionStep {
  // Timers stand still while the machine sleeps: one that is overdue is not waited for.
  const isAsleep = state.wakeAt !== undefined && now < state.wakeAt
  if (state.work !== undefined || isAsleep) return stay(state)
  if (token.refreshAt === Infinity) return stay(state)
  return now < token.refreshAt ? wake(state, token.refreshAt) : refresh(state, token)
}

function wake(state: SessionState, at: number): SessionStep {
  return { state: { ...state, wakeAt: at }, effect: { kind: 'wake', at } }
}

function refresh(state: SessionState, token: HeldToken): SessionStep {
  if (!token.renewable) return { state: { ...state, work: 'login' }, effect: { kind: 'login' } }
  const effect = { kind: 'renew', token: token.value } as const
  return { state: { ...state, work: 'renewal' }, effect }
}

type Granted = Extract<SessionEvent, { kind: 'granted' }>

/** A renewal changes how long a token lives, and not whose it is. */
function granted({ token: before }: SessionState, { work, grant }: Granted): SessionStep {
  const renewed = work === 'renewal' ? before : undefined
  const token = hold(
    { ...grant, type: renewed?.type ?? grant.type },
    renewed?.fullLifeMs ?? grant.ttlMs,
  )
  const held = { token, work: undefined, wakeAt: undefined, failures: 0 }
  // Whoever waited for this login uses it now.
  const isUsed = before === undefined && token.refreshAt < Infinity
  return isUsed ? wake(held, token.refreshAt) : stay(held)
}

/**
 * A tenth of its life, and at least a second, is left unused; of one that lives less than two seconds,
 * half. One that is renewed to less life than it had has met its max TTL: a login is next.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/tokens#token-time-to-live-periodic-tokens-and-explicit-max-ttls
 */
function hold(grant: Grant, fullLifeMs: number): HeldToken {
  const { token: value, type, sentAt, ttlMs, random } = grant
  const expiresAt = sentAt + ttlMs
  const marginMs = Math.min(Math.max(1000, ttlMs / 10), ttlMs / 2)
  const dueMs = Math.max(LEAST_WAIT_MS, (ttlMs * 2 * (1 - random / 10)) / 3)
  return {
    value,
    type,
    renewable: grant.renewable && ttlMs > SHORT_LIFE_MS && ttlMs > fullLifeMs * 0.9,
    expiresAt,
    usableUntil: ttlMs === Infinity ? Infinity : expiresAt - marginMs,
    refreshAt: fullLifeMs > SHORT_LIFE_MS ? sentAt + dueMs : Infinity,
    fullLifeMs,
  }
}

type Failure = Extract<SessionEvent, { kind: 'failed' }>

/** A token that is still good is kept, whatever its renewal failed with. */
function failed(state: SessionState, { work, denied, random }: Failure, now: number): SessionStep {
  const { token } = state
  const idle = { ...state, work: undefined }
  if (!isUsable(token, now)) return stay(withoutToken(idle))
  // Without the right to renew itself, or past its max TTL, it still serves; a login takes its place.
  if (work === 'renewal' && denied) {
    const unrenewable = { ...token, renewable: false }
    return refresh({ ...idle, token: unrenewable }, unrenewable)
  }
  const failures = state.failures + 1
  const leftMs = token.usableUntil - now
  const late = leftMs < token.fullLifeMs / 5
  const kept = { ...idle, failures, token: { ...token, renewable: token.renewable && !late } }
  const at = now + (denied ? DENIED_WAIT_MS : waitMs(failures, leftMs, random))
  // Also where the token ends before: a use meanwhile must not be a reason to try at once.
  return wake(kept, at)
}

/** Jittered, growing, never more than a third of what is left, never less than a second. */
function waitMs(failures: number, leftMs: number, random: number): number {
  const growing = Math.min(LONGEST_WAIT_MS, LEAST_WAIT_MS * 2 ** Math.min(failures, 10)) * random
  return Math.max(LEAST_WAIT_MS, Math.min(growing, leftMs / 3))
}

function closed({ token }: SessionState, now: number): SessionStep {
  const isWorthIt = token?.type === 'service' && token.expiresAt - now > SHORT_LIFE_MS
  return {
    state: NO_TOKEN,
    effect: isWorthIt ? { kind: 'revoke', token: token.value } : NOTHING,
  }
}
