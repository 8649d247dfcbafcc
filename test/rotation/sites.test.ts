import { expect, test } from 'vitest'

import { parseConfig } from '../../src/config/schema.ts'
import { createCore } from '../../src/core.ts'
import { Clusters } from '../../src/rotation/sites.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const KUBECONFIG = JSON.stringify({
  contexts: [{ name: 'east', context: { cluster: 'c', user: 'u', namespace: 'prod' } }],
  clusters: [{ name: 'c', cluster: { server: 'https://kubernetes.test:6443' } }],
  users: [{ name: 'u', user: { token: 'none' } }],
})

test('a cluster whose access failed is asked for again, and then kept', async () => {
  const files: Record<string, string> = {}
  const runtime = fakeRuntime({ files })
  const vault = { url: 'https://vault.test:8200', auth: { method: 'token', token: 'none' } }
  const kubernetes = { kubeconfig: '/kubeconfig' }
  const core = createCore(parseConfig({ vault, kubernetes }), runtime)
  const connect = new Clusters(core, runtime).connect('east')
  const open = () => core.calls.run({}, connect)
  await expect(open()).rejects.toThrow('kubeconfig')
  files['/kubeconfig'] = KUBECONFIG
  const client = await open()
  expect(client.access).toMatchObject({ namespace: 'prod', server: 'https://kubernetes.test:6443' })
  expect(await open()).toBe(client)
})
