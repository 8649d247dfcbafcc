/**
 * Real servers for tests, benchmarks and examples: OpenBao, Vault, kube-apiserver, etcd, kine,
 * toxiproxy, Redis. Each starts on free loopback ports in a directory of its own, and is ended with
 * the process that started it at the latest. `npm run servers:build` builds them.
 */
export { serversPresent } from './servers/binaries.ts'
export { ISSUER, mintToken, startKubernetes, writeKubeconfig } from './servers/kubernetes.ts'
export type { KubernetesAccess, KubernetesServer } from './servers/kubernetes.ts'
export { badCerts, loopbackCert } from './servers/pki.ts'
export type { BadCertName, Certificate } from './servers/pki.ts'
export { portIsFree, removeDirectory, serverDirectory } from './servers/process.ts'
export { startRedis } from './servers/redis.ts'
export { startToxiproxy } from './servers/toxiproxy.ts'
export type { ToxicProxy } from './servers/toxiproxy.ts'
export { startVault } from './servers/vault.ts'
export type { VaultAccess, VaultServer } from './servers/vault.ts'
