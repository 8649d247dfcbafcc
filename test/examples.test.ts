import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { loadConfig, loadDefinition } from '../src/config/load.ts'
import { requestToken } from '../src/dev/operator.ts'
import { nativePlan, type KubevaultPlan } from '../src/dev/plan.ts'
import { podRuntime } from '../src/dev/pod.ts'
import { provisionKubevault } from '../src/dev/provision.ts'
import { SAMPLE, serveStack, writeClientFiles } from '../src/dev/serve-stack.ts'
import type { ClientFiles, ServedStack } from '../src/dev/serve-stack.ts'
import { SecretManager } from '../src/manager.ts'
import { names } from '../src/values.ts'
import { filesRuntime, mountedFiles } from './example-pod.ts'
import { exampleFile, manifests, PATHS, runExample } from './example-program.ts'

let served: ServedStack
let directory: string
let written: ClientFiles

beforeAll(async () => {
  served = await serveStack()
  directory = await mkdtemp(join(tmpdir(), 'secretmanager-example-'))
  written = await writeClientFiles(served, directory)
})

afterAll(async () => {
  await served.close()
  await rm(directory, { recursive: true })
})

describe('examples/kubevault', () => {
  test('reads the dictionary and prints names, never values', async () => {
    const { kubeconfig: kube_config, ca: ca_cert } = written
    const places = { vault_url: served.vaultUrl, kube_config, ca_cert }
    const { stdout, stderr } = await runExample(directory, places)
    expect({ stdout, stderr }).toEqual({
      stdout: 'matrix-secrets holds redis_url, db_password, api_token\nredis_url is there\n',
      stderr: '',
    })
    for (const value of Object.values(SAMPLE)) expect(stdout).not.toContain(value)
  })

  test('fits on 30 lines', async () => {
    expect((await exampleFile('index.ts')).trimEnd().split('\n').length).toBeLessThanOrEqual(30)
  })
})

describe('in a cluster', () => {
  const CONFIG = '/etc/secretmanager/secretcfg.json'
  const DEFINITION = '/etc/secretmanager/secretdef.json'

  test('job.yaml: what is mounted into the pod is enough, no API server is in reach', async () => {
    const plan = await provisioned()
    const runtime = filesRuntime(await mountedFiles(served, plan))
    const config = await loadConfig({ file: CONFIG }, runtime)
    const definition = await loadDefinition({ file: DEFINITION }, runtime)
    await using sm = new SecretManager(config, { runtime })
    expect(names(await sm.readSecrets(definition))).toEqual(Object.keys(SAMPLE))
  })

  test('role.yaml: enough for a pod with a token of its own', async () => {
    const plan = await provisioned()
    const { stack, kubernetesUrl: apiServer, caPem } = served
    const { adminToken: token } = plan
    for (const body of await manifests('role.yaml')) {
      const created = await stack.kubernetesWire('POST', PATHS[body.kind] ?? '', { token, body })
      expect(created.status).toBe(201)
    }
    const files = await mountedFiles(served, plan)
    const podToken = await requestToken(stack.kubernetesWire, plan)
    const pod = { apiServer, caPem, namespace: 'default', token: podToken }
    const runtime = podRuntime(filesRuntime({}), pod)
    const vault = {
      url: served.vaultUrl,
      caCert: { pem: caPem },
      auth: { method: 'kubernetes', role: 'demo' },
    } as const
    const definition = await loadDefinition({ file: DEFINITION }, filesRuntime(files))
    await using sm = new SecretManager({ vault }, { runtime })
    expect(names(await sm.readSecrets(definition))).toEqual(Object.keys(SAMPLE))
  })

  test('job.yaml: not root, nothing writable, no token for the API server', async () => {
    const [account, , job] = await manifests('job.yaml')
    expect(account).toMatchObject({ automountServiceAccountToken: false })
    const container = {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    }
    const pod = {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ securityContext: container }],
    }
    expect(job).toMatchObject({ spec: { template: { spec: pod } } })
  })
})

/** The role that the example's README tells to write; no right at the API server. */
async function provisioned(): Promise<KubevaultPlan> {
  const { stack } = served
  const plan = nativePlan(stack.servers, {
    namespace: 'default',
    serviceAccount: 'kubevault-example',
    role: 'demo',
    policyName: 'example',
    transitKey: 'aes256-key',
    rules: [],
  })
  await provisionKubevault(stack.vaultWire, stack.kubernetesWire, plan)
  return plan
}
