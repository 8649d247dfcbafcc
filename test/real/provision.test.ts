import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unique } from '../contracts/kubevault-fixture.ts'
import { provisionContract } from '../contracts/provision.ts'
import { fileFor, provisioned } from '../contracts/provision-fixture.ts'
import { prove } from '../../src/provision/prove.ts'
import { isBroken } from '../../src/provision/proof.ts'
import { serversPresent, startKubernetes, startVault, writeKubeconfig } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

const root = join(import.meta.dirname, '../..')

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  provisionContract(
    'OpenBao and kube-apiserver',
    () => {
      const { vault, kubernetes } = sharedServers()
      return Promise.resolve(worldOf(vault, kubernetes))
    },
    { killEvery: 6 },
  )

  describe('a process', () => {
    let directory: string
    let env: NodeJS.ProcessEnv
    beforeAll(async () => {
      const { vault, kubernetes } = sharedServers()
      directory = await mkdtemp(join(tmpdir(), 'secretmanager-provision-'))
      const ca = join(directory, 'ca.crt')
      await writeFile(ca, vault.caPem ?? '')
      const kubeconfig = await writeKubeconfig(kubernetes, join(directory, 'kubeconfig'))
      const { PATH } = process.env
      const { rootToken: VAULT_TOKEN } = vault
      env = { PATH, VAULT_ADDR: vault.url, VAULT_CACERT: ca, VAULT_TOKEN, KUBECONFIG: kubeconfig }
      await build({
        entryPoints: [join(root, 'src/cli/main.ts')],
        outfile: join(directory, 'cli.mjs'),
        absWorkingDir: root,
        ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' },
        banner: { js: REQUIRE },
      })
    })
    afterAll(() => rm(directory, { recursive: true }))

    /** Runs it; killed as soon as it told of this many changes. */
    const run = async (name: string, killAfter = Infinity): Promise<Ended> => {
      const path = join(directory, `${name}.json`)
      await writeFile(path, JSON.stringify(fileFor(name)))
      const child = spawn(process.execPath, [join(directory, 'cli.mjs'), 'provision', path], {
        env,
      })
      const ended = { stdout: '', stderr: '' }
      child.stderr.on('data', (chunk: Buffer) => void (ended.stderr += chunk.toString()))
      child.stdout.on('data', (chunk: Buffer) => {
        ended.stdout += chunk.toString()
        if (ended.stdout.split('\n').length > killAfter) child.kill('SIGKILL')
      })
      const code = await new Promise<number | null>((resolve) => void child.on('close', resolve))
      return { ...ended, code }
    }

    test('one app from nothing, and proved', async () => {
      const { code, stderr } = await run(unique())
      expect({ code, stderr }).toEqual({
        code: 0,
        stderr: expect.stringMatching(/^tried (\d+): \1 as they should be$/m),
      })
    })

    test('SIGKILL at any change: the next run does the rest', async () => {
      for (const after of [1, 2, 4, 7, 8, 12, 18, 20, 21]) {
        const name = unique()
        expect(await run(name, after)).toMatchObject({ code: null })
        const rest = await run(name)
        expect({ after, code: rest.code, stderr: rest.stderr }).toMatchObject({ after, code: 0 })
        expect((await run(name)).stderr).toMatch(/^nothing to do, \d+ as they should be$/m)
      }
    }, 60_000)
  })
})

const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

// The second opinion: built only on demand (npm run servers:build vault). On SQLite, as MicroK8s has it.
describe.skipIf(!serversPresent('vault', 'kube', 'kine'))('on HashiCorp Vault and kine', () => {
  provisionContract(
    'HashiCorp Vault and kube-apiserver over kine',
    async () => {
      const [vault, kubernetes] = await Promise.all([
        startVault({ name: 'vault', tls: true }),
        startKubernetes({ store: 'kine' }),
      ])
      return {
        ...worldOf(vault, kubernetes),
        close: async () => {
          await Promise.all([vault.stop(), kubernetes.stop()])
        },
      }
    },
    { killEvery: 6 },
  )
})

describe.skipIf(!serversPresent('bao', 'kube', 'kine'))('without RBAC, as MicroK8s begins', () => {
  test('all is set up, and the proof says that Kubernetes refuses nobody', async () => {
    const kubernetes = await startKubernetes({ store: 'kine', rbac: false })
    try {
      const { vault } = sharedServers()
      const setup = provisioned(worldOf(vault, kubernetes))
      await setup.run()
      const broken = (await setup.with(prove)).filter(isBroken)
      expect(broken.map(({ what }) => what)).toEqual([
        `reader lists Secrets of ${setup.name} in Kubernetes`,
      ])
    } finally {
      await kubernetes.stop()
    }
  }, 60_000)
})
