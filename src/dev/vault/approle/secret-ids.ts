import { fault, refusal } from '../core/failure.ts'
import type { World } from '../core/operation.ts'
import { randomUuid } from '../core/random.ts'
import { SYSTEM_TTL } from '../token/ttl.ts'

/** What a secret_id is made with; 0 means without limit. */
export interface NewSecretId {
  readonly numUses: number
  /** Seconds. */
  readonly ttl: number
  readonly metadata: Readonly<Record<string, string>>
}

/** A secret_id, without itself; times are Unix milliseconds. */
export interface SecretIdEntry extends NewSecretId {
  readonly accessor: string
  readonly createdAt: number
  readonly expiresAt: number | undefined
  updatedAt: number
  usesLeft: number
}

/**
 * The secret_ids of one role. A dead one is gone at once; a real Vault, which tidies up once a
 * minute, takes it for up to that long.
 */
export class SecretIds {
  readonly #world: World
  readonly #entries = new Map<string, SecretIdEntry>()

  constructor(world: World) {
    this.#world = world
  }

  /** @throws VaultFailure when there is one of this text */
  create(secretId: string, fresh: NewSecretId): SecretIdEntry {
    if (this.find(secretId))
      throw fault('failed to store secret_id: SecretID is already registered')
    const { clock, randomBytes } = this.#world
    const now = clock()
    const entry: SecretIdEntry = {
      ...fresh,
      accessor: randomUuid(randomBytes),
      createdAt: now,
      expiresAt: fresh.ttl === 0 ? undefined : now + lifetime(fresh.ttl) * 1000,
      updatedAt: now,
      usesLeft: fresh.numUses,
    }
    this.#entries.set(secretId, entry)
    return entry
  }

  find(secretId: string): SecretIdEntry | undefined {
    this.tidy()
    return this.#entries.get(secretId)
  }

  findByAccessor(accessor: string): readonly [secretId: string, SecretIdEntry] | undefined {
    this.tidy()
    return [...this.#entries].find(([, entry]) => entry.accessor === accessor)
  }

  accessors(): readonly string[] {
    this.tidy()
    return [...this.#entries.values()].map(({ accessor }) => accessor)
  }

  /** Takes one of its uses; the last one ends it. */
  use(secretId: string, entry: SecretIdEntry): void {
    if (entry.usesLeft === 0) return
    entry.usesLeft -= 1
    entry.updatedAt = this.#world.clock()
    if (entry.usesLeft === 0) this.remove(secretId)
  }

  remove(secretId: string): void {
    this.#entries.delete(secretId)
  }

  /** Forgets those whose time is up. */
  tidy(): void {
    const now = this.#world.clock()
    for (const [secretId, { expiresAt = Infinity }] of this.#entries) {
      if (expiresAt <= now) this.remove(secretId)
    }
  }
}

/** Seconds that a secret_id really lives. */
export function lifetime(ttl: number): number {
  return Math.min(ttl, SYSTEM_TTL)
}

/** A secret_id as lookups show it. */
export function describeSecretId(entry: SecretIdEntry): Readonly<Record<string, unknown>> {
  const { expiresAt } = entry
  return {
    cidr_list: [],
    creation_time: new Date(entry.createdAt).toISOString(),
    // Go's zero time.
    expiration_time:
      expiresAt === undefined ? '0001-01-01T00:00:00Z' : new Date(expiresAt).toISOString(),
    last_updated_time: new Date(entry.updatedAt).toISOString(),
    metadata: entry.metadata,
    secret_id_accessor: entry.accessor,
    secret_id_num_uses: entry.usesLeft,
    secret_id_ttl: entry.ttl,
    token_bound_cidrs: [],
  }
}

/** Reads `metadata`: a JSON object, also in base64, or `a=b,c=d`. @throws VaultFailure */
export function readMetadata(text: string): Readonly<Record<string, string>> {
  const decoded = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString() : ''
  return fromJson(text) ?? fromJson(decoded) ?? fromPairs(text)
}

function fromJson(text: string): Readonly<Record<string, string>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
    const isTexts = Object.values(parsed).every((value) => typeof value === 'string')
    return isTexts ? { ...parsed } : undefined
  } catch {
    // Not JSON: Vault goes on to the next notation.
    return undefined
  }
}

function fromPairs(text: string): Readonly<Record<string, string>> {
  const parts = text.split(',').map((part) => part.trim())
  const pairs = parts.filter((part) => part !== '').map((part) => part.split('='))
  if (pairs.some((pair) => pair.length !== 2)) {
    throw refusal('failed to parse metadata: failed to parse the input: invalid <key,value> format')
  }
  return Object.fromEntries(pairs)
}
