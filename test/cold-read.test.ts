/** What a cold read does not execute, it does not load: here is what it loads. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { builtinModules } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { bundle } from '../scripts/bundle.mjs'

const root = join(import.meta.dirname, '..')

const DEFINITION = {
  secret_name: 'app',
  namespace: 'default',
  read_type: 'SECRET',
  read_key: 'secrets.json',
  transit_key: 'app',
}
const CIPHERTEXT = 'vault:v1:AAAA'

/** What a read with mounted ciphertext and a projected token loads. */
const CORE = sorted({
  'src/cache/': 'cache entry events flight freshness loads setbacks',
  'src/config/':
    'auth by-method ca-cert check definition problems rules schema secretcfg standard-schema url',
  'src/': 'calls core errors load-config manager runtime status telemetry values',
  'src/http/':
    'allowance backend budget call gate pass transport transport-agent transport-exchange transport-failure transport-trust',
  // What reads kubeconfigs is small: parsed unused, it takes a ninth of what a file of its own takes to load.
  'src/kubernetes/':
    'client config errors in-cluster kubeconfig kubeconfig-cluster kubeconfig-context kubeconfig-file kubeconfig-user named-file objects pem section service-account token-file',
  'src/lib/':
    'abort backoff base64 closest duration ip json json-reader json-scalars jwt names record wakeful-clock',
  'src/sealed/': 'binding format plaintext raw',
  'src/sources/': 'connections dictionary documents kubevault place target',
  'src/vault/':
    'client clock-skew denials errors given jwt-hints jwt-login login logins session session-state token-status transit',
})

/** Modules of Node that are loaded for it. What these load in turn differs from version to version. */
const BUILTINS = [
  'crypto',
  'fs/promises',
  'http',
  'https',
  'os',
  'perf_hooks',
  'stream/promises',
  'tls',
]

const READ = `
const [index, config, definition, builtins] = process.argv.slice(1)
for (const name of JSON.parse(builtins)) await import(name)
const before = new Set(process.moduleLoadList)
const { SecretManager } = await import(index)
const sm = new SecretManager(JSON.parse(config))
const { user } = await sm.readSecrets(JSON.parse(definition))
await sm.close()
console.log(JSON.stringify({ user, loaded: process.moduleLoadList.filter((name) => !before.has(name)) }))
`

let workspace = ''
/** The sources of each bundled file. */
let outputs: Awaited<ReturnType<typeof bundle>>
/** Just enough of both servers: what is loaded does not depend on who answers. */
const server = createServer((request, response) => {
  request.resume().on('end', () => response.end(JSON.stringify(answer(request.url ?? ''))))
})

beforeAll(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'secretmanager-cold-'))
  const entryPoints = { index: 'src/index.ts' }
  outputs = await bundle({ root, outdir: join(workspace, 'dist'), entryPoints })
  await writeFile(join(workspace, 'dist', 'package.json'), '{"type":"module"}')
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(workspace, { recursive: true })
})

describe('a cold read', () => {
  test('with mounted ciphertext and a projected token loads these files and nothing else', async () => {
    await writeFile(join(workspace, 'secrets.json'), CIPHERTEXT)
    await writeFile(join(workspace, 'jwt'), jwt('vault'))
    const { sources, builtins } = await coldRead({
      vault: vault({ jwtFile: join(workspace, 'jwt') }),
      kubernetes: { mountedAt: workspace },
    })
    expect(sources).toEqual(CORE)
    expect(builtins).toEqual([])
  })

  test.each([
    ['JSON', 'nothing', JSON.stringify, []],
    ['YAML', 'the parser', stringify, ['node_modules/yaml']],
  ] as const)('from a kubeconfig in %s loads %s besides', async (_as, _what, written, besides) => {
    const kubeconfig = join(workspace, 'kubeconfig')
    await writeFile(kubeconfig, written(kubeconfigOf(address())))
    const { sources, builtins } = await coldRead({ vault: vault({}), kubernetes: { kubeconfig } })
    expect(sources.filter((source) => !CORE.includes(source))).toEqual(besides)
    expect(builtins).toEqual([])
  })
})

function kubeconfigOf(url: string): object {
  return {
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster: { server: url } }],
    users: [{ name: 'test', user: { token: 'abc' } }],
  }
}

function sorted(folders: Readonly<Record<string, string>>): string[] {
  const paths = Object.entries(folders).flatMap(([folder, names]) =>
    names
      .split(' ')
      .map((name) => (folder.startsWith('src') ? `${folder}${name}.ts` : folder + name)),
  )
  return paths.toSorted()
}

/** Reads in a new process. */
async function coldRead(config: object): Promise<{ sources: string[]; builtins: string[] }> {
  const coverage = await mkdtemp(join(workspace, 'coverage-'))
  const index = join(workspace, 'dist', 'index.js')
  const args = [index, JSON.stringify(config), JSON.stringify(DEFINITION), JSON.stringify(BUILTINS)]
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', READ, ...args],
    { env: { PATH: process.env['PATH'], NODE_V8_COVERAGE: coverage }, timeout: 60_000 },
  )
  const { user, loaded } = JSON.parse(stdout) as { user: string; loaded: string[] }
  expect(user).toBe('dave')
  const names = loaded.map((name) => name.replace(/^NativeModule /, ''))
  return {
    sources: await sourcesOf(coverage),
    builtins: names
      .filter((name) => builtinModules.includes(name) && !name.startsWith('_'))
      .toSorted(),
  }
}

/** The bundled files that a process loaded, as the sources they were made of; packages by name. */
async function sourcesOf(coverage: string): Promise<string[]> {
  const [report = ''] = await readdir(coverage)
  const { result } = JSON.parse(await readFile(join(coverage, report), 'utf8')) as {
    result: readonly { url: string }[]
  }
  const loaded = result.filter(({ url }) => url.startsWith(`file://${workspace}`))
  const sources = loaded.flatMap(({ url }) => outputs[relative(root, fileURLToPath(url))] ?? [url])
  return [...new Set(sources.map(nameOf))].toSorted()
}

function nameOf(path: string): string {
  return /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path
}

function vault(auth: object): object {
  return { url: address(), auth: { method: 'kubernetes', role: 'app', ...auth } }
}

function address(): string {
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

function answer(url: string): object {
  if (url.endsWith('/login')) return { auth: { client_token: 's.test', lease_duration: 10 } }
  if (url.endsWith('/decrypt/app')) return { data: { plaintext: btoa('{"user":"dave"}') } }
  if (url.endsWith('/token'))
    return {
      kind: 'TokenRequest',
      status: {
        token: jwt('vault'),
        expirationTimestamp: new Date(Date.now() + 600_000).toISOString(),
      },
    }
  return { metadata: { resourceVersion: '1' }, data: { 'secrets.json': btoa(CIPHERTEXT) } }
}

function jwt(audience: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 600
  return `${part({ alg: 'RS256' })}.${part({ aud: [audience], exp })}.c2lnbmF0dXJl`
}
