/** What the settings alone say: no call is made. */
import type { JwtSettings } from '../../config/settings.ts'
import { isLoopback } from '../../lib/names.ts'
import { roleWrite } from '../vault.ts'
import { ok, warning, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** Risks that a configuration takes, most of them with the Python original's shape. */
export const CONFIGURATION: readonly Check[] = [
  {
    id: 'config.audience',
    title: 'audience of the ServiceAccount token',
    run: ({ settings }) => Promise.resolve(audience(settings)),
  },
  {
    id: 'config.http',
    title: 'transport to Vault',
    run: ({ settings }) => Promise.resolve(transport(settings)),
  },
  {
    id: 'config.trust',
    title: 'certificate authorities that are trusted for Vault',
    run: ({ settings }) => Promise.resolve(trust(settings)),
  },
]

type Settings = World['settings']

/** Whether a token for this audience would be taken by the API server. */
export function isForApiServer(name: string): boolean {
  return name.includes('kubernetes.default.svc')
}

function audience({ vault: { auth }, legacy }: Settings): Verdict {
  if (!('audience' in auth)) return ok(`login by ${auth.method}: no ServiceAccount token is sent`)
  if (!isForApiServer(auth.audience)) return ok(`tokens are for ${auth.audience} alone`)
  const shape = legacy ? ', as the Python original asks' : ''
  return warning(
    `tokens for Vault are for the API server too (${auth.audience}${shape}): whoever receives one may act as the ServiceAccount`,
    legacy
      ? 'write the configuration in the native shape, whose audience is vault, and bind the role to it: ' +
          bindRole(auth)
      : `set vault.auth.audience to vault, and: ${bindRole(auth)}`,
  )
}

function bindRole(auth: JwtSettings): string {
  return roleWrite(auth, auth.method === 'jwt' ? 'bound_audiences=vault' : 'audience=vault')
}

function transport({ vault: { url } }: Settings): Verdict {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:') return ok('with TLS')
  if (isLoopback(hostname)) return ok('plain http to this host alone')
  return warning(
    `plain http to ${hostname}: tokens, JWTs and plaintext pass in the clear`,
    'serve Vault with TLS and write https:// into vault.url; leave it only where a mesh encrypts',
  )
}

function trust({ vault: { url, transport: options }, legacy }: Settings): Verdict {
  if (new URL(url).protocol !== 'https:') return ok('there is no TLS')
  if (options.ca) return ok('the configured CA alone')
  if (!legacy) return ok("every public CA, and those of this host's store")
  return warning(
    'ca_cert: true trusts every public CA, and all that this host has: any of them may speak for Vault',
    'set ca_cert to the path of the CA that signed the certificate of Vault',
  )
}
