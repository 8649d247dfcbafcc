/** The one place where the benchmarks take the real servers and their set-up from. */
export { encryptRaw, putObject, requestToken } from '../src/dev/operator.ts'
export { nativePlan, originalPlan } from '../src/dev/plan.ts'
export { provisionKubevault } from '../src/dev/provision.ts'
export { contextOf } from '../src/sealed/binding.ts'
export { formatSealed } from '../src/sealed/format.ts'
export { wrapDocument } from '../src/sealed/plaintext.ts'
export { wireOfUrl } from '../test/contracts/wire.ts'
export { interpreter, originalPresent } from '../test/real/python/original.ts'
export {
  removeDirectory,
  serverDirectory,
  serversPresent,
  startKubernetes,
  startToxiproxy,
  startVault,
  writeKubeconfig,
} from '../test/real/servers.ts'
export type { KubernetesServer, ToxicProxy, VaultServer } from '../test/real/servers.ts'
