/** What the pod around a service does to it, and what else reaches it. */
import { Missing, notChecked, ok, finding, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** Mounts and updates. */
export const POD: readonly Check[] = [
  { id: 'pod.sub-path', title: 'mounted files are updated', run: subPaths },
  {
    id: 'updates.redis',
    title: 'Redis',
    run: () => Promise.resolve(notChecked('updates.redis, which is not configured')),
  },
]

interface Mount {
  /** Path within what is mounted. */
  readonly root: string
  readonly at: string
}

/** A Secret or a token that is mounted by subPath stays as it was when the container started. */
async function subPaths(world: World): Promise<Verdict> {
  const paths = mountedPaths(world)
  if (paths.length === 0) throw new Missing('a mounted ciphertext or token')
  const mounts = await mountsOf(world)
  const first = paths.find((path) => mounts.some((mount) => freezes(mount, path)))
  if (first === undefined) return ok('whole volumes')
  return finding(
    `${first} is mounted by subPath: it never changes while the container runs`,
    'mount the whole volume (mountPath without subPath), and name its directory in kubernetes.mountedAt or the file in vault.auth.jwtFile',
  )
}

function mountedPaths({ settings, definition }: World): readonly string[] {
  const { mountedAt } = settings.kubernetes
  const { auth } = settings.vault
  const { secretName, readKey } = definition
  const documents =
    mountedAt === undefined
      ? []
      : [`${mountedAt}/${secretName}/${readKey}`, `${mountedAt}/${readKey}`]
  return 'jwtFile' in auth && auth.jwtFile !== undefined ? [...documents, auth.jwtFile] : documents
}

/** @see https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
async function mountsOf({ runtime }: World): Promise<readonly Mount[]> {
  const bytes = await runtime.readFile('/proc/self/mountinfo').catch(() => {
    throw new Missing('/proc/self/mountinfo of the container')
  })
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  return lines.flatMap((line) => {
    const [, , , root, at] = line.split(' ')
    return root === undefined || at === undefined ? [] : [{ root: plain(root), at: plain(at) }]
  })
}

/** White space is written in octal there. */
function plain(path: string): string {
  return path.replaceAll(/\\(\d{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** The kubelet keeps versions of a volume in directories like `..2026_11_24_05_10_00.123`: whole volumes have all of them. */
function freezes({ root, at }: Mount, path: string): boolean {
  if (at === path) return true
  return path.startsWith(`${at}/`) && /\/\.\.\d{4}_/.test(root)
}
