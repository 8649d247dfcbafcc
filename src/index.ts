/** SecretManager: secrets by the KUBEVAULT pattern. Everything that is public is named here. */
export type {
  CaCert,
  Duration,
  KubernetesAuth,
  KubernetesConfig,
  LoadConfigOptions,
  ReadType,
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
  StandardIssue,
  StandardResult,
  StandardSchema,
  StartupConfig,
  VaultConfig,
} from './config/types.ts'
export {
  isSecretManagerError,
  SecretManagerError,
  type ErrorCode,
  type ErrorComponent,
} from './errors.ts'
export { loadConfig } from './load-config.ts'
export { SecretManager, type CallOptions, type ManagerOptions } from './manager.ts'
export type { Runtime } from './runtime.ts'
export { names, reveal, type SecretValue, type SecretValues } from './values.ts'
