import { createHash, createHmac } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import type { Command } from 'commander'

import { readManifests } from '../../authoring/manifests.ts'
import {
  storedEntries,
  summaryOfDocument,
  summaryOfText,
  withSummaries,
  type Digest,
  type StoredEntry,
} from '../../authoring/summary.ts'
import { locate } from '../../sources/target.ts'
import { isDefined, objectName } from '../../authoring/verify.ts'
import { definitionOf, type Definition } from '../../config/definition.ts'
import type { Core } from '../../core.ts'
import { isSecretManagerError } from '../../errors.ts'
import { withCore } from '../core.ts'
import { readNamed } from '../document.ts'
import type { Context } from '../context.ts'
import {
  addConfigFlags,
  addDefinitionFlags,
  settingsOf,
  type FlagValues,
  type Settings,
} from '../settings.ts'
import { textconvKey } from '../textconv-key.ts'

/** Adds `secretmanager textconv`: what `git diff` compares in place of a manifest. */
export function addTextconvCommand(program: Command, context: Context): void {
  const command = program
    .command('textconv')
    .argument('<file>', 'manifest in YAML or JSON, as git gives it')
    .description('for git diff: show which entries of a document changed, and no value')
    .option('--repository <path>', 'work tree whose key digests are made with', '.')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((file: string, values: FlagValues) => textconv(file, values, context))
}

const MORE = `
With --def or --transit-key, and who may decrypt, each entry is
shown by a digest; else key, revision and a digest of the ciphertext
are. What else is in the manifest is passed on as it is.

Set-up, once for each clone:
  echo '*.yaml diff=secretmanager' >> .gitattributes
  git config diff.secretmanager.textconv 'secretmanager textconv'
  git config diff.secretmanager.cachetextconv false`

/** `git diff` ends with an error where this one fails: whatever cannot be done is said, and left. */
async function textconv(file: string, values: FlagValues, context: Context): Promise<void> {
  const bytes = await readNamed(file, context)
  const text = isUtf8(bytes) ? Buffer.from(bytes).toString() : ''
  const stored = await storedIn(text)
  if (stored.length === 0) return context.output.data.bytes(bytes)
  const offline = stored.map((each) => [each, summaryOfText(each, sha256)] as const)
  const opened = await summariesOfOpened(stored, values, context)
  const summaries = new Map([...offline, ...opened])
  context.output.data.bytes(Buffer.from(withSummaries(text, summaries)))
}

async function storedIn(text: string): Promise<readonly StoredEntry[]> {
  try {
    return storedEntries(await readManifests(text, 'the file'))
  } catch (error) {
    if (isSecretManagerError(error)) return []
    throw error
  }
}

type Summaries = readonly (readonly [StoredEntry, readonly string[]])[]

async function summariesOfOpened(
  stored: readonly StoredEntry[],
  values: FlagValues,
  context: Context,
): Promise<Summaries> {
  // Whoever named no key wants no calls.
  if (values['def'] === undefined && values['transitKey'] === undefined) return []
  try {
    const openable = await Promise.all(stored.map((each) => openableOf(each, values, context)))
    const wanted = openable.flatMap((each) => each ?? [])
    const [first] = wanted
    if (first === undefined) return []
    const digest = hmac(await textconvKey(String(values['repository'])))
    return await withCore(first.settings, context, (core) => openAll(core, wanted, digest, context))
  } catch (error) {
    return noted(error, 'no document is opened', context)
  }
}

/** A document, and the definition that it is opened by: that of the flags, at the place where it stands. */
interface Openable {
  readonly stored: StoredEntry
  readonly settings: Settings
  readonly definition: Definition
}

async function openableOf(
  stored: StoredEntry,
  values: FlagValues,
  { runtime }: Context,
): Promise<Openable | undefined> {
  const { manifest, entry, format } = stored
  const { kind, name, namespace = values['namespace'] } = manifest
  const type = kind === 'Secret' ? 'SECRET' : 'CONFIG_MAP'
  // Nobody waits long for a diff.
  const brief = { wait: '2s', ...values }
  const placed = { ...brief, type, namespace, key: entry.key }
  const isByFile = values['def'] !== undefined
  const settings = await settingsOf(isByFile ? undefined : name, isByFile ? brief : placed, runtime)
  const definition = definitionOf(settings.definition)
  const isMeant = isDefined(manifest, definition) && definition.readKey === entry.key
  if (!isMeant || definition.format !== format) return undefined
  const within = definition.namespace ?? manifest.namespace
  const anyOrder = { ...definition, namespace: within, allowRollback: true }
  return { stored, settings, definition: anyOrder }
}

async function openAll(
  core: Core,
  openable: readonly Openable[],
  digest: Digest,
  context: Context,
): Promise<Summaries> {
  const summaries = openable.map(async ({ stored, definition }): Promise<Summaries> => {
    try {
      const { document } = await core.calls.run(
        { signal: context.interrupt },
        async (allowance) => {
          const place = await locate(core, allowance, definition)
          return core.source.documents.open(allowance, definition, place, stored.text)
        },
      )
      return [[stored, summaryOfDocument(stored, document, digest)]]
    } catch (error) {
      return noted(error, `${objectName(stored.manifest)} is not opened`, context)
    }
  })
  return (await Promise.all(summaries)).flat()
}

/** Only what is meant for people to see: a bug is none. */
function noted(error: unknown, what: string, { output, interrupt }: Context): Summaries {
  if (!isSecretManagerError(error) || interrupt.aborted) throw error
  output.notes.line(`${what}: ${error.message} (${error.code})`)
  return []
}

/** Sixteen digits: enough to tell two apart. */
const sha256: Digest = (text) =>
  `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 16)}`

function hmac(key: Uint8Array): Digest {
  return (text) => `hmac:${createHmac('sha256', key).update(text).digest('hex').slice(0, 16)}`
}
