/**
 * What Vault answers: one suite for the embedded Vault and for real ones.
 *
 * Statuses and error texts are those of OpenBao 2.4.0. Where the embedded Vault differs from a real
 * one, the embedded one is wrong.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { appRoleSuite } from './vault-approle.ts'
import { jwtSuite } from './vault-jwt.ts'
import { kubernetesLoginSuite } from './vault-kubernetes-login.ts'
import { kubernetesRoleSuite } from './vault-kubernetes-roles.ts'
import { policySuite } from './vault-policies.ts'
import { sealSuite } from './vault-seal.ts'
import { systemSuite } from './vault-system.ts'
import { tokenSuite } from './vault-tokens.ts'
import { transitKeySuite } from './vault-transit-keys.ts'
import { transitBatchSuite } from './vault-transit-batches.ts'
import { transitMaintenanceSuite } from './vault-transit-maintenance.ts'
import { transitSuite } from './vault-transit.ts'
import { wrappingSuite } from './vault-wrapping.ts'
import { VaultClient, type ClientSource, type VaultUnderTest } from './vault-under-test.ts'

export type { VaultUnderTest } from './vault-under-test.ts'

const SUITES: readonly ((client: ClientSource) => void)[] = [
  systemSuite,
  sealSuite,
  policySuite,
  tokenSuite,
  transitKeySuite,
  transitSuite,
  transitBatchSuite,
  transitMaintenanceSuite,
  kubernetesRoleSuite,
  kubernetesLoginSuite,
  appRoleSuite,
  wrappingSuite,
  jwtSuite,
]

/** Runs the suites against what `open` gives. Mounts, keys and policies are their own: it may be shared. */
export function vaultContract(
  name: string,
  open: () => Promise<VaultUnderTest>,
  suites: typeof SUITES = SUITES,
): void {
  describe(`Vault contract on ${name}`, () => {
    let world: VaultUnderTest | undefined
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world?.close())

    const client = (): VaultClient => {
      if (!world) throw new Error('the server did not open')
      return new VaultClient(world)
    }
    for (const suite of suites) suite(client)
  })
}
