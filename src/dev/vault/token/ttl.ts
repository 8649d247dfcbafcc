import { humanDuration } from '../core/duration.ts'
import { fault } from '../core/failure.ts'

/** System default and maximum of OpenBao, in seconds: 32 days. */
export const SYSTEM_TTL = 2_764_800

/** What a lifetime is calculated from, in seconds; 0 means not given. */
export interface TtlInputs {
  readonly increment: number
  readonly ttl: number
  readonly period: number
  readonly maxTtl: number
  readonly explicitMaxTtl: number
  /** Seconds since the token was issued. */
  readonly age: number
}

/** A lifetime in seconds, and Vault's warnings about what was cut. */
export interface Ttl {
  readonly seconds: number
  readonly warnings: readonly string[]
}

/** Vault's CalculateTTL. @throws VaultFailure once the token is past its maximum */
export function calculateTtl(inputs: TtlInputs): Ttl {
  const { period, age, explicitMaxTtl } = inputs
  const max = smallest([SYSTEM_TTL, inputs.maxTtl, explicitMaxTtl])
  if (period > 0) {
    const capped = cap(period, max, (asked, limit) => periodWarning(asked, limit))
    if (explicitMaxTtl === 0) return capped
    return join(capped, cap(capped.seconds, remaining(explicitMaxTtl, age), ttlWarning))
  }
  const wanted = inputs.increment || inputs.ttl || SYSTEM_TTL
  return cap(wanted, remaining(max, age), ttlWarning)
}

function smallest(limits: readonly number[]): number {
  return Math.min(...limits.filter((limit) => limit > 0))
}

function remaining(max: number, age: number): number {
  if (max - age <= 0) throw fault('past the max TTL, cannot renew')
  return max - age
}

function cap(asked: number, limit: number, warning: (a: string, b: string) => string): Ttl {
  if (asked <= limit) return { seconds: asked, warnings: [] }
  return { seconds: limit, warnings: [warning(humanDuration(asked), humanDuration(limit))] }
}

function join(first: Ttl, second: Ttl): Ttl {
  return { seconds: second.seconds, warnings: [...first.warnings, ...second.warnings] }
}

function ttlWarning(asked: string, limit: string): string {
  return `TTL of "${asked}" exceeded the effective max_ttl of "${limit}"; TTL value is capped accordingly`
}

function periodWarning(asked: string, limit: string): string {
  return `period of "${asked}" exceeded the effective max_ttl of "${limit}"; period value is capped accordingly`
}
