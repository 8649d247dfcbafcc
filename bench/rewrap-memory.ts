/** Memory of a rewrap of very many documents: it goes by pages, so how many there are must not show. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { figure, type Figure } from './figure.ts'
import { programFile, run } from './process.ts'

const DOCUMENTS = 100_000
/** The first once everything is loaded and compiled. */
const MARKS = [10_000, DOCUMENTS] as const
const MIB = 1 << 20

/** What is measured, in MiB. */
export const MEMORY: Pick<Figure, 'name' | 'unit'> & { readonly goal: number } = {
  name: 'rewrap.memory',
  unit: 'MiB growth',
  goal: 16,
}

/** What `programs/rewrap-stack.mjs` prints. */
interface Where {
  readonly vaultUrl: string
  readonly kubernetesUrl: string
  readonly namespace: string
  readonly key: string
  readonly role: string
  readonly jwt: string
  readonly token: string
}

/** What `programs/rewrap-usage.mjs` writes. */
interface Sample {
  readonly mark: number
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
}

/** Runs the command `cli` against embedded servers in a process of their own. */
export async function rewrapMemory(cli: string): Promise<Figure> {
  const directory = await mkdtemp(join(tmpdir(), 'secretmanager-rewrap-'))
  const servers = startServers()
  try {
    const where = await placeOf(servers)
    return await measure(cli, directory, where)
  } finally {
    servers.kill()
    await rm(directory, { recursive: true })
  }
}

function startServers(): ChildProcess {
  const args = ['--import', import.meta.resolve('tsx'), programFile('rewrap-stack.mjs')]
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  return spawn(process.execPath, [...args, String(DOCUMENTS)], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

async function placeOf({ stdout }: ChildProcess): Promise<Where> {
  if (stdout === null) throw new Error('the servers have no output')
  const [line] = (await once(createInterface(stdout), 'line')) as [string]
  return JSON.parse(line) as Where
}

async function measure(cli: string, directory: string, where: Where): Promise<Figure> {
  const samplesFile = join(directory, 'samples')
  const hook = pathToFileURL(programFile('rewrap-usage.mjs')).href
  const { namespace, key } = where
  const config = await configFile(directory, where)
  const { wallMs } = await run({
    name: 'ours',
    command: process.execPath,
    args: [
      ...['--expose-gc', '--import', hook, cli, 'rewrap', '--config', config],
      ...['-n', namespace, '--transit-key', key],
    ],
    env: { SAMPLES: samplesFile, MARKS: MARKS.join(',') },
  })
  const lines = (await readFile(samplesFile, 'utf8')).trim().split('\n')
  const [early, late] = lines.map((line) => JSON.parse(line) as Sample)
  if (early === undefined || late === undefined) throw new Error('not all documents were rewrapped')
  const told = ({ rss, heapUsed, external }: Sample): string =>
    `${(rss / MIB).toFixed(1)} MiB (heap ${(heapUsed / MIB).toFixed(1)}, external ${(external / MIB).toFixed(1)})`
  const note = `resident after ${MARKS[0]} documents ${told(early)}, after ${MARKS[1]} ${told(late)}, each time after a collection; ${(wallMs / 1000).toFixed(0)} s, embedded servers in a process beside it`
  return figure(MEMORY.name, {
    value: (late.rss - early.rss) / MIB,
    unit: MEMORY.unit,
    goal: MEMORY.goal,
    samples: 1,
    note,
  })
}

async function configFile(directory: string, where: Where): Promise<string> {
  const write = async (name: string, content: string | object): Promise<string> => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(join(directory, name), text, { mode: 0o600 })
    return join(directory, name)
  }
  const { vaultUrl, kubernetesUrl, role, jwt, token, namespace } = where
  const kubeconfig = await write('kubeconfig', {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster: { server: kubernetesUrl } }],
    users: [{ name: 'app', user: { token } }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'app', namespace } }],
    'current-context': 'bench',
  })
  const auth = { method: 'kubernetes', role, jwtFile: await write('jwt', jwt) }
  return write('config.json', { vault: { url: vaultUrl, auth }, kubernetes: { kubeconfig } })
}
