/**
 * The Python original and we, on the same servers with the same two files, word for word: what one
 * writes the other reads.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reveal, SecretManager } from 'secretmanager'
import type { ReadType, SecretCfg, SecretDef } from 'secretmanager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { originalPlan } from '../../src/dev/plan.ts'
import { putObject } from '../../src/dev/operator.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { originalPresent, runOriginal } from './python/original.ts'
import { removeDirectory, serverDirectory, serversPresent, writeKubeconfig } from './servers.ts'
import { sharedServers } from './shared.ts'

const present = serversPresent('bao', 'kube', 'etcd') && originalPresent()

const MATRIX = { redis_url: 'redis://h:6379/0', nested: { ключ: ['ü', 1, true, null], π: 3.5 } }

const documents: readonly (readonly [string, string])[] = [
  ['a small dictionary', '{"redis_url": "redis://10.0.0.1:6379", "password": "p\\"w"}'],
  ['nesting, numbers and Unicode', JSON.stringify(MATRIX, undefined, 4)],
  ['line ends of Windows and space around', '\r\n { "a" : "line1\\r\\nline2" } \r\n'],
]

describe.skipIf(!present)('drop-in for the Python original', () => {
  let directory: string
  let cfgFile: string

  beforeAll(async () => {
    const { vault, kubernetes, vaultWire, kubernetesWire, servers } = sharedServers()
    await provisionKubevault(vaultWire, kubernetesWire, originalPlan(servers))
    directory = await serverDirectory('dropin')
    const kubeConfig = await writeKubeconfig(kubernetes, join(directory, 'config'))
    cfgFile = join(directory, 'secretcfg.json')
    await writeFile(
      cfgFile,
      JSON.stringify({
        SOURCE: 'KUBEVAULT',
        kube_config: kubeConfig,
        service_account: 'default',
        namespace: 'default',
        vault_url: vault.url,
        role: 'demo',
        ca_cert: vault.caFile,
      }),
    )
  })

  afterAll(() => removeDirectory(directory))

  test.each(documents)('reads what the original wrote: %s', async (name, document) => {
    const defFile = await definitionFile(`theirs ${name}`)
    await runOriginal('create.py', [cfgFile, defFile], document)
    await using sm = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    const definition = await parsedFile<SecretDef>(defFile)
    expect(reveal(await sm.readSecrets(definition))).toEqual(JSON.parse(document))
    expect(Buffer.from(await sm.readBytes(definition)).toString()).toBe(document)
  })

  test.each(documents)('the original reads what we wrote: %s', async (name, document) => {
    const defFile = await definitionFile(`ours ${name}`)
    await using sm = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    await sm.createSecrets(await parsedFile<SecretDef>(defFile), document)
    const theirs = await runOriginal('read.py', [cfgFile, defFile])
    expect(JSON.parse(theirs)).toEqual(JSON.parse(document))
  })

  test('writing over what the original wrote keeps the other entries, labels and annotations', async () => {
    const defFile = await definitionFile('over theirs')
    const definition = await parsedFile<SecretDef>(defFile)
    await runOriginal('create.py', [cfgFile, defFile], '{"a": 1}')
    const { kubernetes, kubernetesWire, servers } = sharedServers()
    const path = `/api/v1/namespaces/default/secrets/${definition.secret_name}`
    const patch = {
      metadata: { labels: { app: 'x' }, annotations: { note: 'y' } },
      stringData: { other: 'z' },
    }
    const headers = { 'content-type': 'application/merge-patch+json' }
    await kubernetesWire('PATCH', path, { token: servers.adminToken, body: patch, headers })
    await using sm = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    await sm.createSecrets(definition, '{"a": 2}')
    const { body } = await kubernetesWire('GET', path, { token: kubernetes.adminToken })
    expect(body.metadata.labels).toMatchObject({ app: 'x' })
    expect(body.metadata.annotations).toMatchObject({ note: 'y' })
    expect(Buffer.from(body.data.other, 'base64').toString()).toBe('z')
    expect(JSON.parse(await runOriginal('read.py', [cfgFile, defFile]))).toEqual({ a: 2 })
  })

  test('reads what the original wrote before and after a rotation of the key', async () => {
    const defFile = await definitionFile('rotated')
    await runOriginal('create.py', [cfgFile, defFile], '{"version": "old"}')
    const definition = await parsedFile<SecretDef>(defFile)
    await using sm = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    const version = await sm.rotateKey(definition.transit_key)
    expect(version).toBeGreaterThan(1)
    expect(reveal(await sm.readSecrets(definition))).toEqual({ version: 'old' })
    await runOriginal('create.py', [cfgFile, defFile], '{"version": "new"}')
    await using again = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    expect(await again.readK8sSecret(definition)).toMatch(`vault:v${version}:`)
    expect(reveal(await again.readSecrets(definition))).toEqual({ version: 'new' })
  })

  test('reads ciphertext from a ConfigMap, which the original cannot', async () => {
    const secretFile = await definitionFile('map')
    const mapFile = await definitionFile('map', 'CONFIG_MAP')
    await runOriginal('create.py', [cfgFile, secretFile], '{"in": "map"}')
    const { kubernetesWire, servers } = sharedServers()
    await using sm = new SecretManager(await parsedFile<SecretCfg>(cfgFile))
    const definition = await parsedFile<SecretDef>(mapFile)
    const data = { 'secrets.json': await sm.readK8sSecret(await parsedFile<SecretDef>(secretFile)) }
    const name = definition.secret_name
    await putObject(kubernetesWire, originalPlan(servers), { name, data, kind: 'ConfigMap' })
    expect(reveal(await sm.readSecrets(definition))).toEqual({ in: 'map' })
    await expect(runOriginal('read.py', [cfgFile, mapFile])).rejects.toThrow('read.py ended')
  })

  async function definitionFile(name: string, readType: ReadType = 'SECRET'): Promise<string> {
    const secretName = `dropin-${name.toLowerCase().replace(/[^a-z]+/g, '-')}`
    const path = join(directory, `${secretName}-${readType}.json`)
    const definition: SecretDef = {
      transit_key: 'aes256-key',
      namespace: 'default',
      secret_name: secretName,
      read_type: readType,
      read_key: 'secrets.json',
    }
    await writeFile(path, JSON.stringify(definition))
    return path
  }
})

async function parsedFile<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T
}
