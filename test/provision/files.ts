import { parseProvisionFile, type ProvisionFile } from '../../src/config/provision-file.ts'
import type { ClusterFacts } from '../../src/provision/plan.ts'
import type { VaultAddress } from '../../src/provision/renewer-config.ts'

/** A provision file by what a person writes. */
export function fileOf(value: object): ProvisionFile {
  return parseProvisionFile(value, 'provision file')
}

/** What a cluster tells of itself. */
export const FACTS: ClusterFacts = {
  uid: '11111111-2222-4333-8444-555555555555',
  issuer: 'https://kubernetes.default.svc.cluster.local',
  publicKeys: ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
  server: 'https://10.0.0.1:16443',
  caPem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
}

/** How a pod reaches Vault. */
export const ADDRESS: VaultAddress = {
  url: 'https://vault.example:8200',
  namespace: undefined,
  serverName: undefined,
  caPem: '-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n',
}
