/** What a cluster tells of itself, and how provision says that it does not. */
import { generateKeyPairSync } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'

import type { ClusterSpec } from '../../src/config/provision-file.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import type { ClusterAccess } from '../../src/kubernetes/config.ts'
import { ClusterCalls } from '../../src/provision/cluster-calls.ts'
import { factsOf, uidOf } from '../../src/provision/facts.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { inProcess, type Handler } from '../faults/in-process.ts'
import { fileOf } from './files.ts'

const UID = '11111111-2222-4333-8444-555555555555'
const ISSUER = 'https://kubernetes.default.svc.cluster.local'
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

/** An API server with a kube-system. */
const sound: Handler = ({ url }) => ({ status: 200, json: ANSWERS[new URL(url).pathname] ?? {} })
const ANSWERS: Readonly<Record<string, object>> = {
  '/api/v1/namespaces/kube-system': { metadata: { name: 'kube-system', uid: UID } },
  '/.well-known/openid-configuration': { issuer: ISSUER },
  '/openid/v1/jwks': { keys: [publicKey.export({ format: 'jwk' })] },
}

function clusterOf(spec: object): ClusterSpec {
  const [found] = fileOf({ clusters: [{ name: 'home', ...spec }], apps: [] }).clusters
  return found ?? expect.unreachable()
}

interface Asked {
  readonly spec?: object
  readonly handler?: Handler
  readonly access?: Partial<ClusterAccess>
  readonly files?: Readonly<Record<string, string>>
}

function ask({ spec = {}, handler = sound, access = {}, files = {} }: Asked) {
  const { transport } = inProcess(handler)
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport, files })
  const auth = { method: 'token', token: 'x' } as const
  const core = createCore(parseConfig({ vault: { url: 'https://vault.example', auth } }), runtime)
  onTestFinished(() => closeCore(core))
  const client = new KubernetesClient(
    {
      server: 'https://10.0.0.1:16443',
      transport: {},
      namespace: undefined,
      origin: 'kubeconfig /k context home',
      identity: undefined,
      token: () => Promise.resolve('api-token'),
      ...access,
    },
    runtime,
  )
  const { signal } = new AbortController()
  const calls = new ClusterCalls(core, () => Promise.resolve(client), signal)
  return { calls, facts: () => factsOf(clusterOf(spec), calls, runtime) }
}

test('where Vault is outside, its issuer and its keys', async () => {
  expect(await ask({}).facts()).toEqual({
    uid: UID,
    issuer: ISSUER,
    publicKeys: [publicKey.export({ type: 'spki', format: 'pem' })],
    server: 'https://10.0.0.1:16443',
    caPem: undefined,
  })
})

test('where Vault is inside, its CA', async () => {
  const spec = { auth: 'kubernetes', ca: '/home/ca.crt', server: 'https://api.example' }
  expect(await ask({ spec, files: { '/home/ca.crt': PEM } }).facts()).toEqual({
    uid: UID,
    issuer: '',
    publicKeys: [],
    server: 'https://api.example',
    caPem: PEM,
  })
})

test('of its CA the certificates, and not the key that lies in one file with them', async () => {
  const key = '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n'
  const inline = { transport: { ca: { kind: 'text', pem: PEM + key } } } as const
  const spec = { auth: 'kubernetes' }
  expect((await ask({ spec, access: inline }).facts()).caPem).toBe(PEM)
  const files = { '/home/ca.crt': key + PEM }
  expect((await ask({ spec: OF_FILE, files }).facts()).caPem).toBe(PEM)
})

const OF_FILE = { auth: 'kubernetes', ca: '/home/ca.crt' }

test.each<[string, Asked, string, RegExp, RegExp]>([
  [
    'in a pod a context leads nowhere',
    {
      spec: { context: 'home' },
      access: { identity: { namespace: 'a', serviceAccount: 'b' } as never },
    },
    'SM_CONFIG_INVALID',
    /^the cluster home is to be reached by the context "home", but in a pod no kubeconfig is read$/,
    /leave clusters\[\]\.context out/,
  ],
  [
    'no kube-system',
    { handler: () => ({ status: 404, json: {} }) },
    'SM_K8S_BAD_RESPONSE',
    /^the API server at https:\/\/10\.0\.0\.1:16443 \(kubeconfig \/k context home\) has no namespace kube-system with a uid, by which/,
    /kubectl get namespace kube-system -o yaml; .*check that the context/,
  ],
  [
    'a uid that is none',
    { handler: () => ({ status: 200, json: { metadata: { uid: 'canary\n' } } }) },
    'SM_K8S_BAD_RESPONSE',
    /has no namespace kube-system with a uid/,
    /kubectl get namespace kube-system/,
  ],
  [
    'no keys',
    {
      handler: (request) =>
        request.url.endsWith('/jwks') ? { status: 404, json: {} } : sound(request),
    },
    'SM_K8S_NOT_FOUND',
    /at https:\/\/10\.0\.0\.1:16443 has no resource \/openid\/v1\/jwks/,
    /--service-account-issuer is an https URL/,
  ],
  [
    'a CA that is not there',
    { spec: OF_FILE },
    'SM_FILE_UNREADABLE',
    /^the CA of the API server of cluster home, \/home\/ca\.crt \(clusters\[\]\.ca\), cannot be read$/,
    /^look at it: ls -l \/home\/ca\.crt; the CA of the current context: kubectl config view --raw/,
  ],
  [
    'a CA of the kubeconfig that is not there',
    {
      spec: { auth: 'kubernetes' },
      access: { transport: { ca: { kind: 'file', path: '/k.crt' } } },
    },
    'SM_FILE_UNREADABLE',
    /\/k\.crt \(of kubeconfig \/k context home\), cannot be read$/,
    /^look at it: ls -l \/k\.crt/,
  ],
  [
    'a CA in another format',
    { spec: OF_FILE, files: { '/home/ca.crt': 'canary' } },
    'SM_CONFIG_INVALID',
    /^the CA of the API server of cluster home, \/home\/ca\.crt \(clusters\[\]\.ca\), has no certificate in PEM$/,
    /openssl x509 -inform der -in \/home\/ca\.crt -out ca\.crt; or name another in clusters\[\]\.ca$/,
  ],
])('%s: what, where, why, and what to do', async (_what, asked, code, text, hint) => {
  const facts = ask(asked).facts()
  await expect(facts).rejects.toMatchObject({
    code,
    message: expect.stringMatching(text),
    hint: expect.stringMatching(hint),
  })
  await expect(facts).rejects.not.toThrow(/canary/)
})

test('the uid alone', async () => {
  expect(await uidOf(ask({}).calls)).toBe(UID)
})
