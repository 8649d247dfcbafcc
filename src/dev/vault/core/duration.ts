import { refusal } from './failure.ts'

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
}

/**
 * Seconds of a duration as Vault reads it: a number or a bare number string is seconds, else Go's
 * notation with `d` for days. @throws VaultFailure in the words of Go
 */
export function parseSeconds(value: unknown): number {
  if (typeof value === 'number') return Math.trunc(value)
  const text = typeof value === 'string' ? value.trim() : ''
  if (text === '') return 0
  if (/^-?\d+$/.test(text)) return Number(text)
  if (!/^-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/.test(text)) {
    throw refusal(`time: invalid duration ${JSON.stringify(text)}`)
  }
  const sign = text.startsWith('-') ? -1 : 1
  return sign * Math.trunc(sumOf(text))
}

function sumOf(text: string): number {
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)) {
    seconds += Number(amount) * (UNIT_SECONDS[unit ?? ''] ?? 0)
  }
  return seconds
}

/** Seconds as Vault words them in warnings: `1h`, `3m`, `1m30s`, without zero elements. */
export function humanDuration(seconds: number): string {
  if (seconds === 0) return '0s'
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ]
  return parts.flatMap(([amount, unit]) => (amount === 0 ? [] : [`${amount}${unit}`])).join('')
}
