/**
 * Login by the gcp auth method: as a service account (`iam`), with a JWT that IAM Credentials signs,
 * or as a Compute Engine instance (`gce`), with the identity token of its metadata server.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/gcp#login
 */
import type { GcpSettings } from '../config/settings.ts'
import type { Runtime } from '../runtime.ts'
import type { GoogleAuthLibrary } from './gcp-credentials.ts'
import { gcpDenied } from './gcp-denied.ts'
import { proveInstance } from './gcp-instance.ts'
import { proveServiceAccount } from './gcp-service-account.ts'
import { authenticate, type Login } from './login.ts'

/**
 * Logs in with what Google says of this process.
 *
 * The environment is read at each login, as Google's own clients do: where the credentials, the
 * metadata server and a proxy are.
 *
 * @param library - loads google-auth-library; only `iam` does
 * @returns a login that rejects with SM_PACKAGE_MISSING, SM_GOOGLE_*, and SM_AUTH_DENIED or SM_CLOCK_SKEW when Vault refuses the JWT
 */
export function gcpLogin(
  settings: GcpSettings,
  runtime: Runtime,
  library?: () => Promise<GoogleAuthLibrary>,
): Login {
  const prove =
    settings.type === 'gce'
      ? proveInstance(settings, runtime)
      : proveServiceAccount(settings, runtime, library)
  return async (client, allowance) => {
    const proof = await prove(allowance)
    return authenticate(client, allowance, {
      path: `auth/${settings.mount}/login`,
      body: { role: settings.role, jwt: proof.jwt },
      refused: (refusal) => gcpDenied(settings, proof, refusal),
    })
  }
}
