import { describe, expect, test } from 'vitest'
import { parseProvisionFile, type ProvisionFile } from '../../src/config/provision-file.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { renewedIn } from '../../src/provision/renewal.ts'
import {
  renewerFiles,
  vaultAddress,
  type VaultAddress,
} from '../../src/provision/renewer-config.ts'
import type { Runtime } from '../../src/runtime.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { fileOf } from './files.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n'

const UNREADABLE = Object.assign(new Error('none'), { code: 'EACCES' })

function renewing(renew: object = {}): ProvisionFile {
  const reviewer = { renew: { image: 'sm', ...renew } }
  return fileOf({ clusters: [{ auth: 'kubernetes', reviewer }] })
}

function addressOf(
  vault: object,
  file: ProvisionFile = renewing(),
  runtime: Runtime = fakeRuntime({ files: { '/ca.crt': PEM, '/none': UNREADABLE } }),
): Promise<VaultAddress> {
  const auth = { method: 'token', token: 'x' }
  return vaultAddress(file, parseConfig({ vault: { auth, ...vault } }), runtime)
}

/** The files of the pod, as it reads them. */
function filesOf(
  address: VaultAddress,
  file = renewing(),
): { config: unknown; own: ProvisionFile } {
  const [cluster] = file.clusters
  const renewed = cluster && renewedIn(cluster)
  if (cluster === undefined || renewed === undefined) throw new Error('not renewed')
  const files = renewerFiles(cluster, renewed, address)
  return {
    config: JSON.parse(files['secretmanager.json'] ?? ''),
    own: parseProvisionFile(JSON.parse(files['provision.json'] ?? ''), 'its file'),
  }
}

const URL = 'https://vault.example:8200'

describe('what the renewing pod knows', () => {
  test('how we reach Vault, and no way to log in', async () => {
    const given = { url: URL, namespace: 'team', serverName: 'v', caCert: '/ca.crt' }
    const address = await addressOf(given)
    expect(address).toEqual({ url: URL, namespace: 'team', serverName: 'v', caPem: PEM })
    expect(filesOf(address).config).toEqual({
      vault: { url: URL, namespace: 'team', serverName: 'v', caCert: '/etc/secretmanager/ca.crt' },
    })
  })

  test('of a CA its certificates, and not the key that lies in one file with them', async () => {
    const key = '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n'
    const files = { '/both.pem': `${key}# mine\n${PEM}${PEM}` }
    const given = { url: URL, caCert: '/both.pem' }
    const { caPem } = await addressOf(given, renewing(), fakeRuntime({ files }))
    expect(caPem).toBe(PEM + PEM)
  })

  test('the address that the file says', async () => {
    const file = renewing({ vaultUrl: 'https://vault.vault.svc:8200/' })
    const { config } = filesOf(await addressOf({ url: 'http://127.0.0.1:8200' }, file), file)
    expect(config).toEqual({ vault: { url: 'https://vault.vault.svc:8200' } })
  })

  test('that it may go by plain http, where we do', async () => {
    const address = await addressOf({ url: 'http://vault.example:8200', allowInsecureHttp: true })
    const { config } = filesOf(address)
    expect(config).toEqual({ vault: { url: 'http://vault.example:8200', allowInsecureHttp: true } })
  })

  test('of the file, what renewing its one mount takes', async () => {
    const reviewer = {
      namespace: 'vault',
      serviceAccount: 'r',
      expiresIn: '90m',
      renew: { image: 'sm' },
    }
    const clusters = [
      { name: 'west', auth: 'kubernetes', mount: 'k8s/west', context: 'w', reviewer },
    ]
    const file = fileOf({ clusters, apps: [{ name: 'app', namespace: 'prod' }] })
    const { own } = filesOf(await addressOf({ url: URL }, file), file)
    expect(own).toMatchObject({
      apps: [],
      clusters: [
        {
          name: 'west',
          auth: 'kubernetes',
          mount: 'k8s/west',
          context: undefined,
          reviewer: { namespace: 'vault', serviceAccount: 'r', expiresInMs: 5_400_000 },
        },
      ],
    })
  })
})

test.each([
  ['Vault on this host', { url: 'https://127.0.0.1:8200' }, 'cannot reach Vault at https://127'],
  ['a proxy', { url: URL, proxy: 'http://u:canary@proxy.example' }, 'as we do, by a proxy'],
  [
    'a client certificate',
    { url: URL, clientCert: '/c', clientKey: '/k' },
    'would need the client key that Vault is reached with',
  ],
  ['a directory of CAs', { url: URL, caCert: { directory: '/d' } }, 'from one file'],
])('%s is refused before any call', async (_what, vault, message) => {
  await expect(addressOf(vault)).rejects.toMatchObject({
    code: 'SM_CONFIG_INVALID',
    message: expect.stringContaining(message),
  })
  await expect(addressOf(vault)).rejects.not.toThrow(/canary/)
  // Nobody needs it where nothing is renewed.
  await expect(addressOf(vault, fileOf({}))).resolves.toBeDefined()
})

test('a CA that is no PEM is told', async () => {
  const runtime = fakeRuntime({ files: { '/ca.der': 'canary' } })
  const found = addressOf({ url: URL, caCert: '/ca.der' }, renewing(), runtime)
  await expect(found).rejects.toMatchObject({
    code: 'SM_CONFIG_INVALID',
    message: 'reviewer.renew: the CA of Vault, "/ca.der", has no certificate in PEM',
  })
})

test('a CA that cannot be read is told', async () => {
  await expect(addressOf({ url: URL, caCert: '/none' })).rejects.toMatchObject({
    code: 'SM_FILE_UNREADABLE',
    causeClass: 'EACCES',
  })
})
