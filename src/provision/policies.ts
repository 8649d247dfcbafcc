/**
 * The policies of an app: each job may do what it is for, at the keys of the app, and nothing else.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/policies
 */
import type { AppSpec } from '../config/provision-file.ts'
import { keysOf, POLICY_MARK, type Job } from './names.ts'

/** The text of one policy. Names in it have passed the allow-lists, so nothing is escaped. */
export function policyText(app: AppSpec, job: Job, transitMount: string): string {
  const paths = keysOf(app).flatMap((key) => STANZAS[job](transitMount, key))
  return `${POLICY_MARK}${job} of ${app.name}\n${[...paths, SELF].join('')}`
}

const STANZAS: Readonly<Record<Job, (mount: string, key: string) => readonly string[]>> = {
  reader: (mount, key) => [update(`${mount}/decrypt/${key}`)],
  writer: (mount, key) => [update(`${mount}/encrypt/${key}`), read(`${mount}/keys/${key}`)],
  rotator: (mount, key) => [
    update(`${mount}/rewrap/${key}`),
    read(`${mount}/keys/${key}`),
    update(`${mount}/keys/${key}/rotate`),
    minima(`${mount}/keys/${key}/config`),
  ],
}

const update = (path: string): string => stanza(path, 'update')
const read = (path: string): string => stanza(path, 'read')

function stanza(path: string, capability: string): string {
  return `path "${path}" {\n  capabilities = ["${capability}"]\n}\n`
}

/** Whoever could set `exportable` or `deletion_allowed` could take the key away. */
function minima(path: string): string {
  return `path "${path}" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}
`
}

/** To say what is missing before anything is tried: the policy "default" is not given. */
const SELF = update('sys/capabilities-self')
