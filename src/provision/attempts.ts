/** What is tried to prove a set-up: requests that work, and requests that must be refused. */
import type { AppSpec } from '../config/provision-file.ts'
import type { VaultRequest } from '../vault/client.ts'
import type { Job } from './names.ts'
import type { Proof, Trial } from './proof.ts'

/** One request of a job. */
export interface Attempt {
  readonly what: string
  readonly expected: Proof['expected']
  readonly request: VaultRequest
}

/** Opens under no key: if Vault gets as far as looking at it, the policies allow it. */
export const NO_CIPHERTEXT = 'vault:v1:AAAA'
/** No app has a key of this name, and nobody a role. */
export const NOBODY = 'secretmanager-probe'

/** The requests of one job. None of those that should be allowed changes anything. */
export function attemptsOf(app: AppSpec, job: Job, mount: string): readonly Attempt[] {
  const { transitKey: key } = app
  const post = (path: string, body: object): VaultRequest => ({ method: 'POST', path, body })
  const decrypt = post(`${mount}/decrypt/${key}`, { ciphertext: NO_CIPHERTEXT })
  const encrypt = post(`${mount}/encrypt/${key}`, { plaintext: '!' })
  const another = post(`${mount}/decrypt/${NOBODY}`, { ciphertext: NO_CIPHERTEXT })
  const rewrap = post(`${mount}/rewrap/${key}`, { ciphertext: NO_CIPHERTEXT })
  // Refused by the name of the parameter; were it not, this value would still harm nothing.
  const exportable = post(`${mount}/keys/${key}/config`, { exportable: false })
  const read: VaultRequest = { method: 'GET', path: `${mount}/keys/${key}` }
  const all: Readonly<
    Record<Job, readonly (readonly [string, Proof['expected'], VaultRequest])[]>
  > = {
    reader: [
      ['decrypts', 'allowed', decrypt],
      ['decrypts under another key', 'refused', another],
      ['encrypts', 'refused', encrypt],
      ['reads the key', 'refused', read],
    ],
    writer: [
      ['encrypts', 'allowed', encrypt],
      ['decrypts', 'refused', decrypt],
    ],
    rotator: [
      ['rewraps', 'allowed', rewrap],
      ['reads the key', 'allowed', read],
      ['decrypts', 'refused', decrypt],
      ['sets exportable of the key', 'refused', exportable],
    ],
  }
  return all[job].map(([what, expected, request]) => ({ what, expected, request }))
}

/** Somebody who must not get in as the reader. */
interface Stranger {
  readonly what: string
  readonly audience?: string
  readonly namespace?: string
  readonly account?: string
}

/** A token for somebody else, and ServiceAccounts of which there is one almost everywhere. */
export function strangersOf({ app, cluster }: Trial): readonly Stranger[] {
  const elsewhere = app.namespace === 'kube-system' ? 'default' : 'kube-system'
  const other = app.rotator ?? app.writer
  const name = other?.serviceAccount ?? 'default'
  return [
    { what: 'a token for another audience', audience: `not-${cluster.audience}` },
    { what: 'another namespace', namespace: elsewhere, account: 'default' },
    ...(name === app.reader.serviceAccount
      ? []
      : [{ what: 'another ServiceAccount', account: name }]),
  ]
}
