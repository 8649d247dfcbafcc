import { fault, refusal } from '../core/failure.ts'

/** Whom every request is taken to come from: nothing but its own machine reaches an embedded Vault. */
const CLIENT = '127.0.0.1'

/** @throws VaultFailure in the words of Go's `net` */
export function checkCidrs(cidrs: readonly string[]): void {
  const bad = cidrs.find((cidr) => parse(cidr) === undefined)
  if (bad === undefined) return
  throw fault(`failed to validate CIDR blocks: invalid CIDR address: ${bad}`)
}

/** @throws VaultFailure where blocks are named and the client is in none of them */
export function checkClient(cidrs: readonly string[]): void {
  const client = toNumber(CLIENT)
  const isInside = cidrs.some((cidr) => {
    const block = parse(cidr)
    return block !== undefined && (client & block.mask) === (block.address & block.mask)
  })
  if (cidrs.length === 0 || isInside) return
  // Go's formatting of an error that is not there is what clients see.
  throw refusal(
    `source address "${CLIENT}" unauthorized by CIDR restrictions on the role: %!w(<nil>)`,
  )
}

interface Block {
  readonly address: number
  readonly mask: number
}

function parse(cidr: string): Block | undefined {
  const match = /^((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$/.exec(cidr)
  const [, address = '', bits = ''] = match ?? []
  const isValid = address.split('.').every((part) => Number(part) < 256) && Number(bits) <= 32
  if (!match || !isValid) return undefined
  // A shift by 32 would leave everything in place.
  return { address: toNumber(address), mask: bits === '0' ? 0 : -1 << (32 - Number(bits)) }
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
}
