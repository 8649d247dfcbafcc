/** The real gcp auth plugin under OpenBao, with a stand-in for Google on loopback. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'

import type { GcpSettings } from '../../src/config/settings.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import { Budget } from '../../src/http/budget.ts'
import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { VaultClient } from '../../src/vault/client.ts'
import { gcpLogin } from '../../src/vault/gcp-login.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import { freePort } from '../faults/scripted-server.ts'
import { expectNoLeak, rejection } from '../faults/world.ts'
import {
  CANARY,
  EMAIL,
  PROJECT,
  startFakeGoogle,
  type FakeGoogle,
  type Moods,
} from './fake-google.ts'
import { serversPresent, startVault, type VaultServer } from './servers.ts'
import { requireBinary } from './servers/binaries.ts'

let vault: VaultServer
let google: FakeGoogle

describe.skipIf(!serversPresent('bao', 'gcpauth'))('the gcp auth plugin', () => {
  beforeAll(async () => {
    vault = await startVault({ plugins: true })
    google = await startFakeGoogle(join(vault.directory, 'google'))
    await enable()
  })

  afterAll(async () => {
    await google?.close()
    await vault?.stop()
  })

  describe('iam', () => {
    test('accepts a JWT that was signed with federated credentials', async () => {
      const auth = await logIn({ credentials: google.workloadCredentials })
      expect(auth).toMatchObject({ ttlMs: 60_000, type: 'service', renewable: true })
      const { data } = await vault.api('POST', 'auth/token/lookup', { token: auth.token })
      expect(data).toMatchObject({
        policies: ['app', 'default'],
        meta: { role: 'app', service_account_email: EMAIL, project_id: PROJECT },
      })
      expect(google.requests).toContain(
        `POST /v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`,
      )
    })

    test('accepts a JWT that was signed with what the metadata server gives', async () => {
      vi.stubEnv('GCE_METADATA_HOST', google.host)
      vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
      vi.stubEnv('HOME', '/nonexistent')
      onTestFinished(() => void vi.unstubAllEnvs())
      expect((await logIn({ credentials: undefined })).ttlMs).toBe(60_000)
      expect(google.requests.join('\n')).toContain('/service-accounts/default/token?scopes=')
    })

    test.each<[what: string, moods: Moods, role: string, code: string, hint: string]>([
      ['that has expired', { claims: { exp: 1 } }, 'app', 'SM_AUTH_DENIED', 'clocks'],
      ['for another audience', { claims: { aud: 'vault/x' } }, 'app', 'SM_AUTH_DENIED', 'audience'],
      ['of an unbound account', {}, 'others', 'SM_AUTH_DENIED', 'bound_service_accounts'],
      ['of an unbound project', {}, 'abroad', 'SM_AUTH_DENIED', 'bound_projects'],
      ['of a longer life than wanted', {}, 'hasty', 'SM_AUTH_DENIED', 'max_jwt_exp'],
      ['for a role that does not exist', {}, 'nobody', 'SM_AUTH_DENIED', 'the role exists'],
      ['by an unknown key', { kid: 'x' }, 'app', 'SM_AUTH_DENIED', 'the key that Google signed'],
      ['for a role of type gce', { kid: 'google-key' }, 'web', 'SM_AUTH_DENIED', 'type to gce'],
      ['that IAM does not sign', { signing: 403 }, 'app', 'SM_GOOGLE_DENIED', 'TokenCreator'],
      ['of no account', { signing: 404 }, 'app', 'SM_GOOGLE_DENIED', 'no such service account'],
    ])('a JWT %s is diagnosed', async (_what, moods, role, code, hint) => {
      const error = await failure({ role, credentials: google.workloadCredentials }, moods)
      expect(error).toMatchObject({ code, exitCode: 3, attempts: 1 })
      expect(error.message).toContain(EMAIL)
      expect(error.hint).toContain(hint)
    })

    test.each([
      ['20 minutes ahead', 20],
      ['20 minutes behind', -20],
    ])('a clock that is %s is diagnosed', async (_what, minutes) => {
      const credentials = google.workloadCredentials
      const error = await failure({ credentials }, {}, shifted(real, minutes * 60_000))
      expect(error.code).toBe('SM_CLOCK_SKEW')
    })

    test.each([
      ['refuses the credentials', 400, 'SM_GOOGLE_CREDENTIALS'],
      ['fails to serve', 503, 'SM_GOOGLE_5XX'],
    ])('a Google that %s is diagnosed', async (_what, exchange, code) => {
      const error = await failure({ credentials: google.workloadCredentials }, { exchange })
      expect(error).toMatchObject({ code, status: exchange })
    })

    test('a Google that is not there is diagnosed', async () => {
      const iamEndpoint = `http://127.0.0.1:${await freePort()}`
      const error = await failure({ iamEndpoint, credentials: google.workloadCredentials })
      expect(error).toMatchObject({ code: 'SM_GOOGLE_UNREACHABLE', causeClass: 'ECONNREFUSED' })
    })

    test('credentials that are nowhere are diagnosed', async () => {
      vi.stubEnv('METADATA_SERVER_DETECTION', 'none')
      vi.stubEnv('HOME', '/nonexistent')
      onTestFinished(() => void vi.unstubAllEnvs())
      const error = await failure({ credentials: undefined })
      expect(error).toMatchObject({ code: 'SM_GOOGLE_CREDENTIALS', attempts: 1 })
      expect(error.hint).toContain('gcloud auth application-default login')
    })
  })

  describe('gce', () => {
    const here = (): Runtime => located(google.host)

    test('accepts the identity token of an instance', async () => {
      const auth = await logIn({ type: 'gce', role: 'web' }, here())
      const { data } = await vault.api('POST', 'auth/token/lookup', { token: auth.token })
      expect(data).toMatchObject({ meta: { role: 'web', instance_name: 'web' } })
    })

    test.each<[what: string, role: string, moods: Moods, hint: string]>([
      ['of no instance', 'web', { claims: { google: {} } }, 'GKE workload identity'],
      ['of an unbound account', 'foreign', {}, 'bound_service_accounts'],
      ['of an unbound label', 'labelled', {}, 'bound_labels'],
      ['of an unbound zone', 'zoned', {}, 'bound_zones'],
      ['of an unbound project', 'distant', {}, 'bound_projects'],
      ['for a role of type iam', 'app', {}, 'set vault.auth.type to iam'],
    ])('a token %s is diagnosed', async (_what, role, moods, hint) => {
      const error = await failure({ type: 'gce', role }, moods, here())
      expect(error.code).toBe('SM_AUTH_DENIED')
      expect(error.hint).toContain(hint)
    })

    test('a metadata server that is not there is diagnosed', async () => {
      const runtime = located(`127.0.0.1:${await freePort()}`)
      const error = await failure({ type: 'gce', role: 'web' }, {}, runtime)
      expect(error).toMatchObject({ code: 'SM_GOOGLE_UNREACHABLE', causeClass: 'ECONNREFUSED' })
      expect(error.hint).toContain('metadata server')
    })
  })
})

/** Registers the plugin with its credentials, and makes the roles. */
async function enable(): Promise<void> {
  const sha256 = createHash('sha256')
    .update(await readFile(requireBinary('gcpauth')))
    .digest('hex')
  await vault.api('PUT', 'sys/plugins/catalog/auth/gcp', {
    sha256,
    command: 'vault-plugin-auth-gcp',
    env: [`GOOGLE_APPLICATION_CREDENTIALS=${google.pluginCredentials}`],
  })
  await vault.api('POST', 'sys/auth/gcp', { type: 'gcp' })
  const { url } = google
  const custom_endpoint = { api: url, iam: url, crm: url, compute: url }
  await vault.api('POST', 'auth/gcp/config', { custom_endpoint })
  const iam = { type: 'iam', bound_service_accounts: [EMAIL], token_policies: ['app'] }
  const gce = { type: 'gce', token_policies: ['app'] }
  const roles = {
    app: { ...iam, token_ttl: '60s' },
    others: { ...iam, bound_service_accounts: [`other@${PROJECT}.iam.gserviceaccount.com`] },
    abroad: { ...iam, bound_projects: ['other'] },
    hasty: { ...iam, max_jwt_exp: '5m' },
    web: { ...gce, bound_projects: [PROJECT], bound_zones: ['us-central1-a'] },
    foreign: { ...gce, bound_service_accounts: ['other@proj.iam.gserviceaccount.com'] },
    labelled: { ...gce, bound_labels: ['a:c'] },
    zoned: { ...gce, bound_zones: ['europe-west1-b'] },
    distant: { ...gce, bound_projects: ['other'] },
  }
  for (const [name, role] of Object.entries(roles)) {
    await vault.api('POST', `auth/gcp/role/${name}`, role)
  }
}

const real = systemRuntime(createTransport)

function shifted(runtime: Runtime, ms: number): Runtime {
  return { ...runtime, wallClock: () => runtime.wallClock() + ms }
}

function located(host: string): Runtime {
  return { ...real, env: (name) => (name === 'GCE_METADATA_HOST' ? host : undefined) }
}

async function logIn(settings: Partial<GcpSettings>, runtime: Runtime = real): Promise<VaultAuth> {
  const auth: GcpSettings = {
    method: 'gcp',
    role: 'app',
    mount: 'gcp',
    type: 'iam',
    serviceAccount: undefined,
    credentials: undefined,
    iamEndpoint: google.url,
    ...settings,
  }
  const transport = { url: vault.url, namespace: undefined, transport: {}, redirectHosts: [] }
  const client = new VaultClient({ ...transport, transitMount: 'transit', auth }, runtime)
  const limits = { startupWaitMs: 1500, attempt: { connectTimeoutMs: 5000, timeoutMs: 20_000 } }
  const allowance = new Budget(runtime, limits, new AbortController().signal).begin()
  try {
    return await gcpLogin(auth, runtime)(client, allowance)
  } finally {
    allowance.end()
    client.close()
  }
}

async function failure(
  settings: Partial<GcpSettings>,
  moods: Moods = {},
  runtime: Runtime = real,
): Promise<SecretManagerError> {
  google.moods = moods
  try {
    const error = await rejection(logIn(settings, runtime))
    expectNoLeak(error, [CANARY])
    return error
  } finally {
    google.moods = {}
  }
}
