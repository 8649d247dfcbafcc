import { describe, expect, test } from 'vitest'

import { podRuntime } from '../../src/dev/pod.ts'
import { inClusterAccess } from '../../src/kubernetes/in-cluster.ts'
import type { TransportOptions } from '../../src/runtime.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const POD = {
  apiServer: 'https://127.0.0.1:6443',
  caPem: '-----BEGIN CERTIFICATE-----',
  namespace: 'prod',
  token: 'header.e30.signature',
}

describe('a process in the pod', () => {
  test('finds its API server, its namespace and its token as in any pod', async () => {
    const access = await inClusterAccess(podRuntime(fakeRuntime(), POD))
    expect(access).toMatchObject({ server: POD.apiServer, namespace: 'prod', origin: 'in-cluster' })
    expect(await access?.token(false)).toBe(POD.token)
  })

  test('sees no variable and no file of the host', async () => {
    const host = fakeRuntime({ files: { '/etc/passwd': 'root' }, env: { VAULT_ADDR: 'https://v' } })
    const runtime = podRuntime(host, POD)
    expect(runtime.env('VAULT_ADDR')).toBeUndefined()
    await expect(runtime.readFile('/etc/passwd')).rejects.toMatchObject({ code: 'ENOENT' })
    expect(host.reads).toEqual([])
  })

  test('trusts the CA that is mounted, which lies nowhere on the host', () => {
    const opened: TransportOptions[] = []
    const transport = fakeRuntime().transport({})
    const host = fakeRuntime({ transport: (options) => (opened.push(options), transport) })
    const runtime = podRuntime(host, POD)
    runtime.transport({ ca: { kind: 'file', path: `${MOUNT}/ca.crt` } })
    runtime.transport({ ca: { kind: 'file', path: '/etc/vault/ca.crt' } })
    expect(opened.map(({ ca }) => ca)).toEqual([
      { kind: 'text', pem: POD.caPem },
      { kind: 'file', path: '/etc/vault/ca.crt' },
    ])
  })

  test('an API server without a port is at 443', () => {
    const runtime = podRuntime(fakeRuntime(), { ...POD, apiServer: 'https://kubernetes.test' })
    expect(runtime.env('KUBERNETES_SERVICE_PORT')).toBe('443')
  })
})
