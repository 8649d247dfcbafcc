/**
 * The same contract once more, on SQLite behind the API server as MicroK8s has it, and with both
 * servers' audit logs on: they count the calls, and they join a failure with its request id.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { kubevaultContract } from '../contracts/kubevault.ts'
import { startKubernetes, startVault, serversPresent } from './servers.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'kine'))('on audited servers', () => {
  kubevaultContract('OpenBao and kube-apiserver over kine', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secretmanager-audit-'))
    const vaultLog = join(directory, 'vault.log')
    const kubernetesLog = join(directory, 'kubernetes.log')
    const policyFile = join(directory, 'policy.yaml')
    await writeFile(policyFile, AUDIT_POLICY)
    const [vault, kubernetes] = await Promise.all([
      startVault({ tls: true, hcl: auditDevice(vaultLog) }),
      startKubernetes({
        store: 'kine',
        args: [
          `--audit-policy-file=${policyFile}`,
          `--audit-log-path=${kubernetesLog}`,
          '--audit-log-mode=blocking',
        ],
      }),
    ])
    return {
      ...worldOf(vault, kubernetes),
      calls: async () => ({
        vault: (await entries(vaultLog)).filter((entry) => entry.type === 'request').length,
        kubernetes: new Set(
          (await entries(kubernetesLog))
            .filter(({ user }) => !OTHERS.test(user?.username ?? ''))
            .map(({ auditID }) => auditID),
        ).size,
      }),
      isAudited: async (requestId) =>
        (await entries(vaultLog)).some(
          ({ request }) => request?.headers?.['x-correlation-id']?.[0] === requestId,
        ),
      close: async () => {
        await Promise.all([vault.stop(), kubernetes.stop()])
        await rm(directory, { recursive: true })
      },
    }
  })
})

/** Who asks besides the client: Vault, and the API server itself, which renews its lease every few seconds. */
const OTHERS = /:vault-reviewer$|^system:apiserver$/

/**
 * Each request is in the log before it is answered, as in Vault's: an event of its end may come after
 * the client has its answer, and then the next count would have it. One that is refused for its
 * credential has only the event of its response.
 */
const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseComplete, Panic]
rules: [{ level: Metadata }]
`

function auditDevice(path: string): string {
  return `audit "file" "file" {
  options {
    file_path = "${path}"
  }
}
`
}

/** What is used of an entry of either log. */
interface Entry {
  readonly type?: string
  /** The same in every event of one request to the API server. */
  readonly auditID?: string
  readonly user?: { readonly username?: string }
  readonly request?: { readonly headers?: Readonly<Record<string, readonly string[]>> }
}

async function entries(path: string): Promise<Entry[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Entry)
}
