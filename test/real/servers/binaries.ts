/** Where the real servers lie, and which of them are there. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

/** A server that the tests can start. `gcpauth` is a plugin of `bao`. */
export type ServerName =
  | 'bao'
  | 'vault'
  | 'kube'
  | 'etcd'
  | 'kine'
  | 'toxiproxy'
  | 'gcpauth'
  | 'redis'

// The same names that `scripts/servers.mjs` builds.
const FILES = {
  bao: 'bao',
  vault: 'vault',
  kube: 'kube-apiserver',
  etcd: 'etcd',
  kine: 'kine',
  toxiproxy: 'toxiproxy',
  gcpauth: join('plugins', 'vault-plugin-auth-gcp'),
} as const satisfies Record<Exclude<ServerName, 'redis'>, string>

const told = new Set<ServerName>()

/**
 * Whether all these servers can be started; for `describe.skipIf(!serversPresent('bao', 'kube'))`.
 * Says on stderr which are missing.
 *
 * @throws when one is missing and `SM_REQUIRE_REAL=1`; HashiCorp Vault is never required
 */
export function serversPresent(...names: readonly ServerName[]): boolean {
  const missing = names.filter((name) => binaryOf(name) === undefined)
  if (missing.length === 0) return true
  const sentence = `real servers missing: ${missing.join(', ')} (npm run servers:build)`
  const isRequired = missing.some((name) => name !== 'vault')
  if (isRequired && process.env['SM_REQUIRE_REAL'] === '1') throw new Error(sentence)
  if (missing.some((name) => !told.has(name))) process.stderr.write(`skipped: ${sentence}\n`)
  for (const name of missing) told.add(name)
  return false
}

/** Path of a server's program, or `undefined` where it is absent. */
function binaryOf(name: ServerName): string | undefined {
  const path = name === 'redis' ? onPath('redis-server') : join(serversDirectory(), FILES[name])
  return path !== undefined && existsSync(path) ? path : undefined
}

/** Path of a server's program. @throws where it is absent */
export function requireBinary(name: ServerName): string {
  const path = binaryOf(name)
  if (path === undefined) throw new Error(`${name} is not built: npm run servers:build ${name}`)
  return path
}

/** Directory of the built servers: `SM_SERVERS`, or in the user's cache, outside the repository. */
export function serversDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return resolve(process.env['SM_SERVERS'] || join(cache, 'secretmanager', 'servers'))
}

function onPath(program: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  return directories.map((directory) => join(directory, program)).find((path) => existsSync(path))
}
