import type { SessionStatus } from '../status.ts'
import { isUsable, type SessionState } from './session-state.ts'

/** The token as status shows it. */
export function tokenStatus(
  { token }: SessionState,
  now: number,
): Pick<SessionStatus, 'state' | 'tokenType' | 'expiresInMs'> {
  if (!isUsable(token, now)) return { state: 'none', tokenType: undefined, expiresInMs: undefined }
  const leftMs = Math.round(token.expiresAt - now)
  const expiresInMs = leftMs === Infinity ? undefined : leftMs
  return { state: 'live', tokenType: token.type, expiresInMs }
}
