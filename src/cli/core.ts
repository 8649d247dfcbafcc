import { definitionOf, type Definition } from '../config/definition.ts'
import { parseConfig } from '../config/schema.ts'
import { closeCore, createCore, type Core } from '../core.ts'
import type { Context } from './context.ts'
import type { Settings } from './settings.ts'
import { announceWaits } from './waiting.ts'

/**
 * Does `work` with what the settings say, and closes it afterwards. The person is told what is waited for.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, and what `work` rejects with
 */
export async function withCore<T>(
  { config, definition }: Settings,
  { output, runtime }: Context,
  work: (core: Core, definition: Definition) => Promise<T>,
): Promise<T> {
  const core = createCore(parseConfig(config), runtime)
  const quiet = announceWaits(output, runtime)
  try {
    return await work(core, definitionOf(definition))
  } finally {
    quiet()
    await closeCore(core)
  }
}
