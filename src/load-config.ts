import type { LoadConfigOptions, SecretCfg, SecretManagerConfig } from './config/types.ts'
import { createTransport } from './http/transport.ts'
import { systemRuntime } from './runtime.ts'

/**
 * Puts a configuration together for `new SecretManager(…)`: flags over environment over file. A
 * SecretManager by itself reads neither, so that a stray variable cannot send a JWT elsewhere.
 *
 * @returns the native shape, or the Python original's where the file is written in it
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem, its path and who said it; SM_FILE_UNREADABLE
 *
 * @example
 * const sm = new SecretManager(await loadConfig({ file: '/code/secretcfg.json' }))
 */
export async function loadConfig(
  options: LoadConfigOptions = {},
): Promise<SecretManagerConfig | SecretCfg> {
  // Loaded on use: a service that brings its configuration along never pays for files and merging.
  const { loadConfig: load } = await import('./config/load.ts')
  return load(options, systemRuntime(createTransport))
}
