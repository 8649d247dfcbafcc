/**
 * Proof of being a Compute Engine instance: the identity token that its metadata server gives.
 *
 * @see https://cloud.google.com/compute/docs/instances/verifying-instance-identity
 */
import type { GcpSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import { badResponse, call, type Answer, type Backend } from '../http/call.ts'
import { readClaims } from '../lib/jwt.ts'
import type { Runtime, Transport } from '../runtime.ts'
import { checkedJwt, notNow, type ProveToGcp } from './gcp-proof.ts'

const PATH = '/computeMetadata/v1/instance/service-accounts/default/identity'
/** Header of a request, which a browser cannot be tricked into sending, and of the answer. */
const FLAVOR = 'metadata-flavor'

/** Proves to be this instance. */
export function proveInstance({ role }: GcpSettings, runtime: Runtime): ProveToGcp {
  const audience = `http://vault/${role}`
  const query = `audience=${encodeURIComponent(audience)}&format=full`
  const request = {
    method: 'GET',
    path: `${PATH}?${query}`,
    headers: { [FLAVOR]: 'Google', accept: '*/*' },
  } as const
  return async (allowance) => {
    // Never by a proxy: the address is that of the host itself.
    const transport = quoting(runtime.transport({}))
    const url = metadataUrl(runtime)
    const backend: Backend = { name: 'google', runtime, transport, url, redirectHosts: [] }
    try {
      const jwt = await call(backend, allowance, request, (answer) => tokenOf(backend, answer))
      return { jwt, subject: readClaims(jwt)?.sub ?? 'nobody', audience }
    } catch (error) {
      throw absent(error)
    } finally {
      transport.close()
    }
  }
}

/** `GCE_METADATA_HOST` is what all of Google's clients obey: a host, and a port if need be. */
function metadataUrl(runtime: Runtime): string {
  const host = runtime.env('GCE_METADATA_HOST') || 'metadata.google.internal'
  if (/^[\w.-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/.test(host)) return `http://${host}`
  throw new SecretManagerError('SM_CONFIG_INVALID', 'GCE_METADATA_HOST is not a host', {
    hint: 'set it to HOST or HOST:PORT, or unset it',
  })
}

/** The metadata server answers with a bare JWT; as a JSON string it is what {@link call} reads. */
function quoting(transport: Transport): Transport {
  return {
    connect: (url) => transport.connect(url),
    close: () => transport.close(),
    async send(request) {
      const { status, headers, body } = await transport.send(request)
      if (status !== 200 || headers[FLAVOR] !== 'Google') return { status, headers, body }
      const text = JSON.stringify(new TextDecoder().decode(body).trim())
      const type = { 'content-type': 'application/json' }
      return { status, headers: { ...headers, ...type }, body: new TextEncoder().encode(text) }
    },
  }
}

function tokenOf(backend: Backend, answer: Answer): string {
  const { status, headers, json } = answer
  const late = notNow(backend, 'give an identity token', answer)
  if (late) throw late
  if (headers[FLAVOR] !== 'Google') {
    throw badResponse(backend, status, 'is not that of a metadata server')
  }
  if (status >= 400) throw refused(backend, status)
  return checkedJwt(backend, status, json)
}

function refused({ url }: Backend, status: number): SecretManagerError {
  const message = `google at ${url} gave no identity token (${status})`
  const hint =
    'attach a service account to the instance: gcloud compute instances set-service-account'
  return new SecretManagerError('SM_GOOGLE_CREDENTIALS', message, { status, hint })
}

function absent(error: unknown): unknown {
  if (!isSecretManagerError(error) || error.code !== 'SM_GOOGLE_UNREACHABLE') return error
  const hint =
    'type gce needs the metadata server of a Compute Engine instance: elsewhere set vault.auth.type to iam; on one, check network policies (169.254.169.254:80) and GCE_METADATA_HOST'
  return withFacts(error, { hint })
}
