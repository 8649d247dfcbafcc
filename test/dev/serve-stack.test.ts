import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { loadConfig, loadDefinition } from '../../src/config/load.ts'
import { SAMPLE, serveStack, writeClientFiles } from '../../src/dev/serve-stack.ts'
import type { ClientFiles, ServedStack } from '../../src/dev/serve-stack.ts'
import { createTransport } from '../../src/http/transport.ts'
import { SecretManager } from '../../src/manager.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { reveal } from '../../src/values.ts'
import { wireOfUrl } from '../contracts/wire.ts'
import { freePort } from '../real/servers/process.ts'

const real = systemRuntime(createTransport)
const runtime = { ...real, env: () => undefined }

let served: ServedStack
let directory: string
let files: ClientFiles

beforeAll(async () => {
  served = await serveStack()
  directory = await mkdtemp(join(tmpdir(), 'secretmanager-serve-'))
  files = await writeClientFiles(served, join(directory, 'files'))
})

afterAll(async () => {
  await served.close()
  await rm(directory, { recursive: true })
})

describe('the files for clients', () => {
  test('are in the shape of the Python original, and enough to read the sample', async () => {
    const config = await loadConfig({ file: files.config }, runtime)
    expect(config).toMatchObject({ SOURCE: 'KUBEVAULT', role: 'demo', service_account: 'default' })
    const definition = await loadDefinition({ file: files.definition }, runtime)
    await using sm = new SecretManager(config, { runtime })
    expect(reveal(await sm.readSecrets(definition))).toEqual(SAMPLE)
  })

  test('are for their owner alone', async () => {
    expect((await stat(join(directory, 'files'))).mode & 0o777).toBe(0o700)
    for (const file of await readdir(join(directory, 'files'))) {
      expect((await stat(join(directory, 'files', file))).mode & 0o777).toBe(0o600)
    }
  })

  test('hold what opens Vault again after it was sealed', async () => {
    const vault = wireOfUrl(served.vaultUrl, { ca: await readFile(files.ca, 'utf8') })
    const token = await readFile(files.rootToken, 'utf8')
    expect(await vault('PUT', '/v1/sys/seal', { token })).toMatchObject({ status: 204 })
    const key = await readFile(files.unsealKey, 'utf8')
    expect(await vault('PUT', '/v1/sys/unseal', { body: { key } })).toMatchObject({
      body: { sealed: false },
    })
  })

  test('hold tokens that open both servers', async () => {
    const ca = await readFile(files.ca, 'utf8')
    const rootToken = await readFile(files.rootToken, 'utf8')
    const vault = wireOfUrl(served.vaultUrl, { ca })
    expect(await vault('GET', '/v1/sys/mounts', { token: rootToken })).toMatchObject({
      status: 200,
    })
    const { users } = JSON.parse(await readFile(files.kubeconfig, 'utf8')) as {
      users: { user: { token: string } }[]
    }
    const kubernetes = wireOfUrl(served.kubernetesUrl, { ca })
    const token = users[0]?.user.token
    expect(await kubernetes('GET', '/api/v1/secrets', { token })).toMatchObject({ status: 200 })
  })

  test('can be written again over those of another run', async () => {
    const again = await serveStack()
    onTestFinished(() => again.close())
    const parent = join(directory, 'again')
    await writeClientFiles(served, parent)
    const { config } = await writeClientFiles(again, parent)
    expect(await readFile(config, 'utf8')).toContain(again.vaultUrl)
  })
})

describe('two servers', () => {
  test('end together', async () => {
    const another = await serveStack()
    await another.close()
    for (const url of [another.vaultUrl, another.kubernetesUrl]) {
      await expect(fetch(url)).rejects.toThrow('fetch failed')
    }
  })

  test('where the second cannot start, the first does not stay', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void taken.close())
    const { port: kubernetesPort } = taken.address() as AddressInfo
    const vaultPort = await freePort()
    await expect(serveStack({ vaultPort, kubernetesPort })).rejects.toMatchObject({
      code: 'SM_CONFIG_INVALID',
    })
    const next = await serveStack({ vaultPort })
    expect(next.vaultUrl).toBe(`https://127.0.0.1:${vaultPort}`)
    await next.close()
  })
})
