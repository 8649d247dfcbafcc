/**
 * Why Vault refused a JWT of Google's, and what to compare.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/gcp#create-update-role
 */
import type { GcpSettings } from '../config/settings.ts'
import { SecretManagerError } from '../errors.ts'
import type { Refusal } from './client.ts'
import { orClockSkew } from './clock-skew.ts'
import type { GcpProof } from './gcp-proof.ts'

/** The error of a refused login: SM_CLOCK_SKEW where the clocks explain it, else SM_AUTH_DENIED. */
export function gcpDenied(
  settings: GcpSettings,
  proof: GcpProof,
  refusal: Refusal,
): SecretManagerError {
  const { mount, role } = settings
  const { sentence, facts } = refusal
  const reason = sentence === '' ? '' : `: ${sentence}`
  const message =
    `vault denied auth/${mount}/login for role "${role}" (${facts.status ?? 0})${reason}` +
    `; the JWT is of ${proof.subject} with audience ${proof.audience}`
  const hint = (HINTS[sentence] ?? checkAll)(settings, proof)
  return orClockSkew(refusal, new SecretManagerError('SM_AUTH_DENIED', message, { ...facts, hint }))
}

const EXPIRED = 'JWT is expired'
const FAR_EXPIRY = 'JWT must expire in'
const LONG_LIFE = 'JWTs expire within'

type HintFor = (settings: GcpSettings, proof: GcpProof) => string

/** By the plugin's own sentences. */
const HINTS: Readonly<Record<string, HintFor>> = {
  [EXPIRED]: clocks,
  [FAR_EXPIRY]: clocks,
  [LONG_LIFE]: (settings) =>
    settings.type === 'gce'
      ? `the role is of type iam, and identity tokens of instances live for an hour: set vault.auth.type to iam, or use a role of type gce; ${read(settings)}`
      : `max_jwt_exp of the role is less than the 10 minutes that the JWT lives: set it to 15m, its default; ${read(settings)}`,
  "JWT claim 'aud' must end in": (settings) =>
    `the role wants another audience: is vault.auth.role the role's name exactly? ${read(settings)}`,
  'is not authorized for role': (settings, { subject }) =>
    `${subject} is not among bound_service_accounts of the role: ${read(settings)}`,
  'is not in bound service accounts': (settings, { subject }) =>
    `the service account ${subject} of the instance is not among bound_service_accounts of the role: ${read(settings)}`,
  'not in bound projects': (settings, { subject }) =>
    `the project of ${subject} is not among bound_projects of the role: ${read(settings)}`,
  'instance missing bound label': (settings) =>
    `the labels of the instance lack one of bound_labels of the role: ${read(settings)}`,
  'instance not in bound zones': (settings) =>
    `the zone of the instance is not among bound_zones of the role: ${read(settings)}`,
  'instance not in bound regions': (settings) =>
    `the region of the instance is not among bound_regions of the role: ${read(settings)}`,
  'instance is not part of instance groups': (settings) =>
    `the instance is in none of bound_instance_groups of the role: ${read(settings)}`,
  'expected JWT to have claims with GCE metadata': ({ type }) =>
    type === 'iam'
      ? 'the role is of type gce: set vault.auth.type to gce, or use a role of type iam'
      : 'the metadata server named no instance, as that of GKE workload identity does: set vault.auth.type to iam, and use a role of type iam',
  'unable to get public key': ({ mount }, { subject }) =>
    `Vault did not find the key that Google signed with: does ${subject} still exist, and does Vault reach www.googleapis.com? vault read auth/${mount}/config`,
}

function clocks(settings: GcpSettings): string {
  return `compare the clocks of this host and of Vault's (NTP); the JWT was minutes old at most; ${read(settings)}`
}

function checkAll(settings: GcpSettings): string {
  const { mount, type } = settings
  return (
    `Vault gives no reason that is known. Check in this order: the mount exists (vault auth list); the role exists and is of type ${type} (${read(settings)}); ` +
    `Vault's own credentials may read the service account (roles/iam.serviceAccountViewer${type === 'gce' ? ', roles/compute.viewer' : ''}; vault read auth/${mount}/config)`
  )
}

function read({ mount, role }: GcpSettings): string {
  return `vault read auth/${mount}/role/${role}`
}
