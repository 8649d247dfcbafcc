#!/usr/bin/env node
// Builds the real servers that tests and benchmarks run against, each from its own go.mod in
// test/servers, into the user's cache. Plain Node without dependencies: it runs before `npm ci`.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODULES = fileURLToPath(new URL('../test/servers/', import.meta.url))
const CACHE = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
const BIN = resolve(process.env.SM_SERVERS || join(CACHE, 'secretmanager', 'servers'))
const REQUIRED = process.env.SM_REQUIRE_REAL === '1'

const KUBE_VERSION = 'k8s.io/component-base/version'
/** In the order they are built; `module` names the requirement of go.mod that gives the version. */
const SERVERS = {
  etcd: { module: 'go.etcd.io/etcd/server/v3', package: 'go.etcd.io/etcd/server/v3' },
  toxiproxy: {
    module: 'github.com/Shopify/toxiproxy/v2',
    package: 'github.com/Shopify/toxiproxy/v2/cmd/server',
  },
  bao: {
    module: 'github.com/openbao/openbao',
    package: 'github.com/openbao/openbao',
    // Its tags are unusable as Go versions, so go.mod names a commit: the one of this release.
    version: '2.4.0',
    flags: (version) => [`-X github.com/openbao/openbao/version.fullVersion=${version}`],
  },
  kube: {
    module: 'k8s.io/kubernetes',
    package: 'k8s.io/kubernetes/cmd/kube-apiserver',
    file: 'kube-apiserver',
    // Without them /version answers with placeholders that clients choke on.
    flags: (version) => {
      const [major, minor] = version.split('.')
      return [
        `-X ${KUBE_VERSION}.gitVersion=v${version}`,
        `-X ${KUBE_VERSION}.gitMajor=${major} -X ${KUBE_VERSION}.gitMinor=${minor}`,
        `-X ${KUBE_VERSION}.gitTreeState=clean`,
      ]
    },
  },
  gcpauth: {
    module: 'github.com/hashicorp/vault-plugin-auth-gcp',
    package: 'github.com/hashicorp/vault-plugin-auth-gcp/cmd/vault-plugin-auth-gcp',
    file: join('plugins', 'vault-plugin-auth-gcp'),
  },
  kine: { module: 'github.com/k3s-io/kine', package: 'github.com/k3s-io/kine', cgo: true },
  // A second opinion: built only when named. Business Source Licence, for tests alone.
  vault: {
    module: 'github.com/hashicorp/vault',
    package: 'github.com/hashicorp/vault',
    optIn: true,
  },
}

const USAGE = `usage: node scripts/servers.mjs COMMAND
  build [NAME...]   builds what is not current (default: all but vault), one at a time
  status [--json]   says which servers are present, with their versions
  where             prints the directory they are in (SM_SERVERS changes it)
servers: ${Object.keys(SERVERS).join(' ')}`

const [command, ...rest] = process.argv.slice(2)
process.exitCode = await main(command, rest)

async function main(name, args) {
  if (name === 'build') return build(args)
  if (name === 'status') return status(args.includes('--json'))
  if (name === 'where') return print(BIN)
  process.stderr.write(`${USAGE}\n`)
  return 2
}

function print(line) {
  process.stdout.write(`${line}\n`)
  return 0
}

// ---------------------------------------------------------------- build

async function build(args) {
  const unknown = args.filter((name) => !Object.hasOwn(SERVERS, name))
  if (unknown.length > 0) {
    process.stderr.write(`unknown server ${unknown.join(', ')}\n${USAGE}\n`)
    return 2
  }
  const names = args.length > 0 ? args : Object.keys(SERVERS).filter((name) => !SERVERS[name].optIn)
  fs.mkdirSync(join(BIN, 'plugins'), { recursive: true })
  print(`servers are in ${BIN}`)
  const go = goVersion()
  let failures = 0
  for (const name of names) failures += await buildOne(name, go)
  return failures > 0 ? 1 : 0
}

/** Gives 1 if this server must count as a failure. */
async function buildOne(name, go) {
  const reason = whyNot(name, go)
  if (reason !== undefined) return skip(name, reason)
  const key = keyOf(name, go)
  if (isCurrent(name, key)) return print(`${name} ${versionOf(name)}: current`)
  const started = performance.now()
  const problem = await compile(name)
  const took = elapsed(started)
  if (problem !== undefined) {
    process.stderr.write(`${name} ${versionOf(name)}: failed after ${took}: ${problem}\n`)
    return 1
  }
  fs.writeFileSync(join(BIN, `${name}.key`), `${key}\n`)
  return print(`${name} ${versionOf(name)}: built in ${took}`)
}

/** Why this server cannot be built here, if so. */
function whyNot(name, go) {
  if (go === undefined) return 'Go is not installed (https://go.dev/dl)'
  const needed = /^go (\S+)$/m.exec(goMod(name))?.[1] ?? '0'
  const present = /go(\d+(\.\d+)*)/.exec(go)?.[1] ?? '0'
  if (isOlder(present, needed)) return `Go ${needed} is needed, here is ${present}`
  if (SERVERS[name].cgo && spawnSync(compiler(), ['--version']).status !== 0) {
    return `a C compiler is needed (${compiler()}), for SQLite`
  }
  return undefined
}

function skip(name, reason) {
  const have = fs.existsSync(fileOf(name))
  const use = have ? ', the one already built is used' : ''
  process.stderr.write(`${name} ${versionOf(name)}: skipped: ${reason}${use}\n`)
  return REQUIRED && !have ? 1 : 0
}

function compile(name) {
  const { package: target, cgo, flags } = SERVERS[name]
  const linker = ['-s -w', ...(flags?.(versionOf(name)) ?? [])].join(' ')
  // Beside the old one, which may be running, and then in its place at once.
  const fresh = `${fileOf(name)}.new`
  const log = join(BIN, `${name}.log`)
  const child = spawn('go', ['build', '-ldflags', linker, '-o', fresh, target], {
    cwd: join(MODULES, name),
    env: {
      ...process.env,
      GOTOOLCHAIN: 'local',
      GOFLAGS: '-trimpath',
      CGO_ENABLED: cgo ? '1' : '0',
    },
    stdio: ['ignore', 'ignore', fs.openSync(log, 'w')],
  })
  const stopProgress = showProgress(name, log)
  return new Promise((done) => {
    child.once('error', (error) => {
      stopProgress()
      done(error.message)
    })
    child.once('exit', (code) => {
      stopProgress()
      if (code !== 0) return done(`see ${log}\n${tail(log)}`)
      fs.renameSync(fresh, fileOf(name))
      return done(undefined)
    })
  })
}

/** One line that counts on a terminal; elsewhere a line at the start and every 30 s. */
function showProgress(name, log) {
  const started = performance.now()
  const isTerminal = process.stderr.isTTY
  const show = () => {
    const fetched = (fs.readFileSync(log, 'utf8').match(/^go: downloading /gm) ?? []).length
    const modules = fetched > 0 ? `, ${fetched} modules fetched` : ''
    const line = `${name} ${versionOf(name)}: building, ${elapsed(started)}${modules}`
    process.stderr.write(isTerminal ? `\r\u001B[K${line}` : `${line}\n`)
  }
  show()
  const timer = setInterval(show, isTerminal ? 1000 : 30_000)
  return () => {
    clearInterval(timer)
    if (isTerminal) process.stderr.write('\r\u001B[K')
  }
}

function elapsed(since) {
  const seconds = Math.round((performance.now() - since) / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

function tail(path) {
  return fs.readFileSync(path, 'utf8').trimEnd().split('\n').slice(-15).join('\n')
}

// ---------------------------------------------------------------- what is current

/** go.mod, go.sum and the compiler: when one of them changes, the server is built anew. */
function keyOf(name, go) {
  const sums = fs.readFileSync(join(MODULES, name, 'go.sum'), 'utf8')
  return createHash('sha256')
    .update(`${goMod(name)}${sums}${go}`)
    .digest('hex')
    .slice(0, 16)
}

function isCurrent(name, key) {
  const path = join(BIN, `${name}.key`)
  return (
    fs.existsSync(fileOf(name)) &&
    fs.existsSync(path) &&
    fs.readFileSync(path, 'utf8').trim() === key
  )
}

function goVersion() {
  const { status: code, stdout } = spawnSync('go', ['version'], {
    encoding: 'utf8',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })
  return code === 0 ? stdout : undefined
}

function goMod(name) {
  return fs.readFileSync(join(MODULES, name, 'go.mod'), 'utf8')
}

function fileOf(name) {
  return join(BIN, SERVERS[name].file ?? name)
}

function versionOf(name) {
  const { module, version } = SERVERS[name]
  if (version !== undefined) return version
  const line = goMod(name)
    .split('\n')
    .find((text) =>
      text
        .replace(/^require/, '')
        .trim()
        .startsWith(`${module} v`),
    )
  return line?.split(' v').at(-1)?.split(' ')[0] ?? 'unknown'
}

function compiler() {
  return process.env.CC || 'gcc'
}

function isOlder(present, needed) {
  const [a, b] = [present, needed].map((version) => version.split('.').map(Number))
  const at = b.findIndex((part, index) => part !== (a[index] ?? 0))
  return at >= 0 && (a[at] ?? 0) < b[at]
}

// ---------------------------------------------------------------- status

function status(asJson) {
  const go = goVersion()
  const all = {
    ...Object.fromEntries(Object.keys(SERVERS).map((name) => [name, built(name, go)])),
    redis: redis(),
  }
  if (asJson) return print(JSON.stringify(all))
  for (const [name, { present, version, path, current }] of Object.entries(all)) {
    const note = present && current === false ? ' (outdated: build it again)' : ''
    print(`${name.padEnd(10)} ${present ? `${version}  ${path}${note}` : 'absent'}`)
  }
  return 0
}

/** `current` is absent where there is no Go to tell. */
function built(name, go) {
  const path = fileOf(name)
  const optional = SERVERS[name].optIn
  if (!fs.existsSync(path)) return { present: false, optional }
  const current = go === undefined ? undefined : isCurrent(name, keyOf(name, go))
  return { present: true, version: versionOf(name), path, current, optional }
}

/** The distribution's: nothing to build. */
function redis() {
  const directories = (process.env.PATH ?? '').split(delimiter)
  const path = directories.map((directory) => join(directory, 'redis-server')).find(fs.existsSync)
  if (path === undefined) return { present: false }
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return { present: true, version: /v=(\S+)/.exec(stdout ?? '')?.[1] ?? 'unknown', path }
}
