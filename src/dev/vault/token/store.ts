import { randomBase62 } from '../core/random.ts'
import type { World } from '../core/operation.ts'
import type { Token } from './token.ts'

/** What a new token is made of; the store adds id, accessor and times. */
export interface NewToken {
  readonly id?: string | undefined
  readonly type: 'service' | 'batch'
  readonly policies: readonly string[]
  readonly path: string
  readonly displayName: string
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly entityId?: string
  /** Seconds; 0 never expires. */
  readonly ttl: number
  readonly renewable: boolean
  readonly period?: number
  readonly explicitMaxTtl?: number
  readonly numUses?: number
  /** Absent: an orphan. */
  readonly parent?: Token | undefined
}

// Enough for 768 bits: a real batch token is a ciphertext of about that length.
const BATCH_TOKEN_BYTES = 96
const SWEEP_EVERY = 1024

/** All living tokens. A token is dead when its time is up, it was revoked, or its parent is dead. */
export class TokenStore {
  readonly #world: World
  readonly #tokens = new Map<string, Token>()
  #created = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Adds a token that lives from now on. */
  create(fresh: NewToken): Token {
    this.#created += 1
    if (this.#created % SWEEP_EVERY === 0) this.#sweep()
    const { clock, randomBytes } = this.#world
    const now = clock()
    const token: Token = {
      ...fresh,
      id: fresh.id ?? this.#newId(fresh.type),
      accessor: fresh.type === 'batch' ? '' : randomBase62(randomBytes, 24),
      metadata: fresh.metadata,
      entityId: fresh.entityId ?? '',
      period: fresh.period ?? 0,
      explicitMaxTtl: fresh.explicitMaxTtl ?? 0,
      maxUses: fresh.numUses ?? 0,
      numUses: fresh.numUses ?? 0,
      parent: fresh.parent,
      orphan: fresh.parent === undefined,
      issuedAt: now,
      leaseTtl: fresh.ttl,
      expiresAt: fresh.ttl === 0 ? undefined : now + fresh.ttl * 1000,
      renewedAt: undefined,
    }
    this.#tokens.set(token.id, token)
    return token
  }

  /** The living token with this id. */
  find(id: string): Token | undefined {
    const token = this.#tokens.get(id)
    return token && this.#isAlive(token) ? token : undefined
  }

  /** The living service token with this accessor. */
  findByAccessor(accessor: string): Token | undefined {
    if (accessor === '') return undefined
    return this.#living().find((token) => token.accessor === accessor)
  }

  /** Accessors of all living service tokens. */
  accessors(): readonly string[] {
    return this.#living().flatMap(({ accessor }) => (accessor === '' ? [] : [accessor]))
  }

  /** Takes one of the token's uses. */
  use(token: Token): void {
    if (token.numUses > 0) token.numUses = token.numUses === 1 ? -1 : token.numUses - 1
  }

  /** Sets a new end, in seconds from now. */
  extend(token: Token, seconds: number): void {
    const now = this.#world.clock()
    token.renewedAt = now
    token.leaseTtl = seconds
    token.expiresAt = now + seconds * 1000
  }

  /** Ends a token, and with it its children. */
  revoke(token: Token): void {
    this.#tokens.delete(token.id)
  }

  #isAlive(token: Token): boolean {
    if (this.#tokens.get(token.id) !== token) return false
    if (token.expiresAt !== undefined && token.expiresAt <= this.#world.clock()) return false
    return token.parent === undefined || this.#isAlive(token.parent)
  }

  #living(): readonly Token[] {
    return [...this.#tokens.values()].filter((token) => this.#isAlive(token))
  }

  #sweep(): void {
    const living = new Set(this.#living())
    for (const token of this.#tokens.values()) {
      if (!living.has(token)) this.#tokens.delete(token.id)
    }
  }

  #newId(type: Token['type']): string {
    const { randomBytes } = this.#world
    if (type === 'service') return `s.${randomBase62(randomBytes, 24)}`
    return `b.${Buffer.from(randomBytes(BATCH_TOKEN_BYTES)).toString('base64url')}`
  }
}
