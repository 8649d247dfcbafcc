/** SecretManager: secrets by the KUBEVAULT pattern. Everything that is public is named here. */
export type {
  AppRoleAuth,
  AuthConfig,
  CacheConfig,
  CaCert,
  CustomAuth,
  CustomLogin,
  Duration,
  GcpAuth,
  IssuedToken,
  JwtAuth,
  KubernetesAuth,
  KubernetesConfig,
  LoadConfigOptions,
  LoginEndpoint,
  ReadType,
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
  StandardIssue,
  StandardResult,
  StandardSchema,
  StartupConfig,
  TokenAuth,
  VaultConfig,
} from './config/types.ts'
export {
  isSecretManagerError,
  SecretManagerError,
  type ErrorCode,
  type ErrorComponent,
} from './errors.ts'
export { loadConfig } from './load-config.ts'
export {
  SecretManager,
  type CallOptions,
  type ManagerOptions,
  type ReadOptions,
} from './manager.ts'
export type { Runtime } from './runtime.ts'
export type { BackendStatus, DefinitionStatus, SessionStatus, Status, Trouble } from './status.ts'
export {
  listen,
  type Channels,
  type EventDefinition,
  type EventError,
  type FreshnessEvent,
  type LoginEvent,
  type RefreshEvent,
  type RequestEvent,
  type RetryEvent,
  type SecurityEvent,
} from './telemetry.ts'
export { names, reveal, type SecretValue, type SecretValues } from './values.ts'
