/** I1, I2: writers, rewraps, rotations and retirements on real servers, and a process of its own that looks on. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, test } from 'vitest'

import { bundle } from '../../scripts/bundle.mjs'
import type { KubevaultUnderTest } from '../contracts/kubevault-fixture.ts'
import {
  DATA_KEY,
  expectNoneLost,
  rest,
  type Load,
  type Observed,
} from '../contracts/rotation-concurrency.ts'
import { rotationDesk } from '../contracts/rotation-desk.ts'
import { wireOfUrl } from '../contracts/wire.ts'
import type { Observation } from '../process/programs/observer.ts'
import { serversPresent } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

const root = join(import.meta.dirname, '..', '..')
/** A little more often than each 10 ms: timers are late. */
const EVERY_MS = 9

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  let directory: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'secretmanager-observer-'))
    const entryPoints = { observer: 'test/process/programs/observer.ts', index: 'src/index.ts' }
    await bundle({
      root,
      outdir: directory,
      entryPoints,
      external: ['google-auth-library', 'redis'],
    })
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  test('I1 and I2: 10,000 writes beside a rewrap, rotations and retirements: none is lost, and everything opens at every instant', async () => {
    const world = withFewConnections()
    const observe: Load['observe'] = async ({ plan }, isOver) => {
      const observation: Observation = {
        kubernetes: { url: world.kubernetesUrl, ca: world.kubernetesCaPem, token: plan.adminToken },
        vault: { url: world.vaultUrl, ca: world.vaultCaPem, token: plan.rootToken },
        namespace: plan.namespace,
        ...{ dataKey: DATA_KEY, everyMs: EVERY_MS },
      }
      const child = spawn(process.execPath, [join(directory, 'observer.js')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      child.stdin.write(`${JSON.stringify(observation)}\n`)
      const said = text(child.stdout)
      while (!isOver()) await rest(50)
      child.stdin.end()
      return JSON.parse(await said) as Observed
    }
    await expectNoneLost(await rotationDesk(world), { writes: 10_000, observe })
  }, 300_000)
})

/** A handshake for each request would be most of the work. */
function withFewConnections(): KubevaultUnderTest {
  const { vault, kubernetes } = sharedServers()
  return {
    ...worldOf(vault, kubernetes),
    vault: wireOfUrl(vault.url, { ca: vault.caPem, keepAlive: true }),
    kubernetes: wireOfUrl(kubernetes.url, { ca: kubernetes.caPem, keepAlive: true }),
  }
}
