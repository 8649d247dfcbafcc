import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { encryptRaw, putObject } from '../../src/dev/operator.ts'
import { originalPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { SAMPLE, SAMPLE_NAME } from '../../src/dev/serve-stack.ts'
import { manifests, PATHS, runExample } from '../example-program.ts'
import { serversPresent, writeKubeconfig } from './servers.ts'
import { sharedServers } from './shared.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('examples/kubevault', () => {
  test("reads the dictionary with the Python original's set-up", async () => {
    const { vault, kubernetes, vaultWire, kubernetesWire, servers } = sharedServers()
    const plan = originalPlan(servers)
    await provisionKubevault(vaultWire, kubernetesWire, plan)
    const ciphertext = await encryptRaw(vaultWire, plan, JSON.stringify(SAMPLE))
    const data = { 'secrets.json': ciphertext }
    await putObject(kubernetesWire, plan, { name: SAMPLE_NAME, data })

    const directory = await mkdtemp(join(tmpdir(), 'secretmanager-example-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const ca_cert = join(directory, 'ca.crt')
    await writeFile(ca_cert, vault.caPem ?? '')
    const kube_config = join(directory, 'kubeconfig')
    await writeKubeconfig(kubernetes, kube_config)
    const { stdout, stderr } = await runExample(directory, {
      vault_url: vault.url,
      kube_config,
      ca_cert,
    })
    expect({ stdout, stderr }).toEqual({
      stdout: 'matrix-secrets holds redis_url, db_password, api_token\nredis_url is there\n',
      stderr: '',
    })
  })

  test.each(['job.yaml', 'role.yaml'])('%s is what a cluster accepts', async (file) => {
    const { kubernetesWire, servers } = sharedServers()
    for (const body of await manifests(file)) {
      const path = `${PATHS[body.kind]}?dryRun=All&fieldValidation=Strict`
      const { status } = await kubernetesWire('POST', path, { token: servers.adminToken, body })
      expect({ kind: body.kind, status }).toEqual({ kind: body.kind, status: 201 })
    }
  })
})
