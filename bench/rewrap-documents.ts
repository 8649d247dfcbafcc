/** What is rewrapped: sealed documents, and what a rewrapper may do. */
import { contextOf, formatSealed, wrapDocument } from './servers.ts'

/** A document of which Transit is to be asked. */
export interface Plain {
  /** Of its Secret. */
  readonly name: string
  readonly dataKey: string
  readonly revision: number
  /** Base64, as Transit takes both. */
  readonly plaintext: string
  readonly context: string
}

/** Makes the document number `at`, of about so many bytes, bound to its place. */
export function documentFor(namespace: string, at: number, bytes: number): Plain {
  const [name, dataKey] = [`app-${String(at).padStart(6, '0')}`, 'secrets.json']
  const revision = 1_750_000_000_000 + at
  const document = JSON.stringify({
    redis_url: `redis://redis-${at}:6379/0`,
    fill: fill(at, bytes),
  })
  const place = { kind: 'Secret', namespace, name, dataKey } as const
  const wrapped = wrapDocument(revision, Buffer.from(document))
  return {
    name,
    dataKey,
    revision,
    plaintext: Buffer.from(wrapped).toString('base64'),
    context: Buffer.from(contextOf(place, 'strict', 'default')).toString('base64'),
  }
}

function fill(at: number, bytes: number): string {
  return String(at)
    .padStart(8, 'x')
    .repeat(Math.ceil(bytes / 8))
}

/** The line that is stored. */
export function sealedText(transitKey: string, revision: number, ciphertext: string): string {
  return formatSealed({ mount: 'transit', transitKey, scope: 'strict', revision }, ciphertext)
}

/** A policy that does not let decrypt. */
export function policyFor(transitKey: string): string {
  return `path "transit/rewrap/${transitKey}" { capabilities = ["update"] }
path "transit/keys/${transitKey}" { capabilities = ["read"] }
`
}

/** Rules of a Role. */
export function rulesFor(): readonly object[] {
  const apiGroups = ['']
  return [
    { apiGroups, resources: ['secrets', 'configmaps'], verbs: ['get', 'list', 'patch'] },
    { apiGroups, resources: ['serviceaccounts/token'], verbs: ['create'] },
  ]
}
