import type { Fields } from './items.ts'

/** What Vault was read to hold. */
export interface VaultActual {
  /** Secrets engines and auth methods, by their mounts without slashes around them. */
  readonly engines: ReadonlyMap<string, Fields>
  readonly methods: ReadonlyMap<string, Fields>
  /** Audited headers, by their names in lower case; absent where this server, or this namespace of it, has none. */
  readonly headers: ReadonlyMap<string, Fields> | undefined
  /** What is at a path below `/v1/`; absent where there is nothing. */
  readonly at: ReadonlyMap<string, Fields>
}
