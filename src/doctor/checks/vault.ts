/** Vault as a server: its state, its clock, its audit log. */
import { isSecretManagerError } from '../../errors.ts'
import { isRecord } from '../../lib/record.ts'
import type { VaultReply } from '../../vault/client.ts'
import { word } from '../../lib/shell-word.ts'
import { health, look } from '../vault.ts'
import { critical, finding, Missing, ok, warning, type Verdict } from '../verdict.ts'
import { fact, type Check, type World } from '../world.ts'
import { reachable } from './network.ts'

/** Ids of the checks without which Vault serves nothing. */
export const SERVING: readonly string[] = ['vault.unsealed']

/** The state of the server. */
export const VAULT: readonly Check[] = [
  {
    id: 'vault.initialised',
    title: 'Vault is initialised',
    needs: reachable('vault'),
    run: initialised,
  },
  {
    id: 'vault.unsealed',
    title: 'Vault is unsealed',
    needs: ['vault.initialised'],
    run: unsealed,
  },
  { id: 'vault.active', title: 'node of Vault', needs: SERVING, run: active },
  { id: 'vault.clock', title: 'clock of Vault', needs: ['vault.initialised'], run: clock },
  { id: 'vault.audit', title: 'audit log of Vault', needs: SERVING, run: audited },
  { id: 'vault.audit-raw', title: 'audit log without secrets', needs: SERVING, run: hashed },
]

const NO_VAULT: VaultReply = {}

async function initialised(world: World): Promise<Verdict> {
  const { url } = world.settings.vault
  const { initialized, version } = await health(world).catch((error: unknown) => {
    // Go's TLS servers answer plain http so.
    if (isSecretManagerError(error) && error.status === 400) return NO_VAULT
    throw error
  })
  if (initialized === undefined && url.startsWith('http:')) {
    return finding(
      `what answers at ${url} does not speak for Vault over plain http`,
      `set vault.url to ${url.replace('http:', 'https:')}, and vault.caCert to its CA`,
    )
  }
  if (initialized === true) return ok(`version ${shown(version)}`)
  if (initialized === false) {
    return finding('Vault is not initialised', 'vault operator init')
  }
  return finding(
    `what answers at ${url} does not speak for Vault`,
    'check the address, and anything between here and there',
  )
}

function shown(version: unknown): string {
  return typeof version === 'string' && /^[\w.+-]{1,64}$/.test(version) ? version : 'unknown'
}

async function unsealed(world: World): Promise<Verdict> {
  const { sealed } = await health(world)
  if (sealed === false) return ok('it serves')
  return finding('Vault is sealed: nothing can be decrypted', 'vault operator unseal')
}

async function active(world: World): Promise<Verdict> {
  const {
    standby,
    performance_standby: isReader,
    replication_dr_mode: recovery,
  } = await health(world)
  if (recovery === 'secondary') {
    return finding(
      'this is a secondary for disaster recovery, which serves nobody',
      'use the address of the primary cluster',
    )
  }
  if (isReader === true) return ok('a performance standby: it reads by itself')
  if (standby === true) return ok('a standby: it forwards to the active node, or redirects there')
  return ok('the active node')
}

/** What Vault and the API server allow for, in milliseconds. */
const LEEWAY_MS = 60_000
/** From where somebody should look at the clocks, in milliseconds. */
const NOTABLE_MS = 10_000

async function clock(world: World): Promise<Verdict> {
  const { server_time_utc: seconds } = await health(world)
  if (typeof seconds !== 'number') throw new Missing('the time, which Vault does not tell')
  // Whole seconds: half of one is the best guess.
  return skewVerdict('Vault', world.runtime.wallClock() - (seconds * 1000 + 500))
}

/** What it means that this host's clock is `skewMs` ahead of a server's. */
export function skewVerdict(server: string, skewMs: number): Verdict {
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  if (seconds <= 1) return ok('no difference to this host')
  const what = `this host's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} that of ${server}`
  const mend = 'synchronise the clocks of both hosts: timedatectl, chronyc tracking'
  if (Math.abs(skewMs) > LEEWAY_MS) {
    return finding(`${what}: tokens are refused as expired, or as not valid yet`, mend)
  }
  return Math.abs(skewMs) > NOTABLE_MS ? warning(what, mend) : ok(what)
}

interface Device {
  readonly path: string
  readonly isRaw: boolean
}

const devices: (world: World) => Promise<readonly Device[]> = fact(async (world) => {
  if (world.settings.vault.namespace !== undefined) throw new Missing('the root namespace of Vault')
  const found = await look(world, 'sys/audit', 'read and sudo')
  if (!found) throw new Missing('sys/audit, which this server does not serve')
  return Object.entries(found).map(([path, device]) => {
    const options = isRecord(device) ? device['options'] : undefined
    return { path, isRaw: isRecord(options) && isTrue(options['log_raw']) }
  })
})

/** As Vault parses it. */
function isTrue(value: unknown): boolean {
  return value === true || /^(?:1|t|true)$/i.test(String(value))
}

async function audited(world: World): Promise<Verdict> {
  const found = await devices(world)
  if (found.length > 0) return ok(`written by ${found.map(({ path }) => path).join(', ')}`)
  return warning(
    'no audit device: nobody can tell who decrypted what',
    'vault audit enable file file_path=/var/log/vault/audit.log',
  )
}

async function hashed(world: World): Promise<Verdict> {
  const first = (await devices(world)).find(({ isRaw }) => isRaw)
  if (!first) return ok('tokens and plaintext are hashed in it')
  return critical(
    `the audit device ${first.path} has log_raw: it writes tokens and decrypted secrets as they are`,
    `vault audit disable ${word(first.path)} && vault audit enable -path=${word(first.path)} file file_path=… (without log_raw), and change every secret that passed`,
  )
}
