import { Option, type Command } from 'commander'

import { encryptToCluster, encryptToManifest, type Encrypted } from '../../authoring/encrypt.ts'
import { INPUT_FORMATS, type InputFormat } from '../../authoring/input.ts'
import { locate } from '../../sources/target.ts'
import type { Definition } from '../../config/definition.ts'
import type { Core } from '../../core.ts'
import type { Allowance } from '../../http/budget.ts'
import { describe } from '../../sources/place.ts'
import { withCore } from '../core.ts'
import { readDocument } from '../document.ts'
import { addManifestFlags, isManifest, manifestDestination } from '../manifest-output.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'

/** Adds `secretmanager encrypt`: a document from outside goes, encrypted, into the cluster or into a manifest. */
export function addEncryptCommand(program: Command, context: Context): void {
  const command = program
    .command('encrypt')
    .argument('[name]', 'Secret or ConfigMap that is to hold the ciphertext')
    .description('encrypt a dictionary from a file or a pipe: into the cluster, or as a manifest')
    .option('--from <file>', 'what to encrypt (-: stdin; default: stdin, where that is a pipe)')
    .addOption(
      new Option(
        '--input <format>',
        'how it is written; bytes: anything (default: as its name ends, else json)',
      ).choices(INPUT_FORMATS),
    )
    .option('--dry-run', 'check the input and say what would be done; encrypt and write nothing')
    .option('--json', 'report what was written as JSON')
  addConfigFlags(addDefinitionFlags(addManifestFlags(command))).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => encrypt(name, values, context))
}

/** In lines for narrow terminals: commander does not break them. */
const MORE = `
JSON is kept byte for byte; YAML and .env become JSON. Siblings, labels,
annotations and the type of an object that is there stay.

Examples:
  secretmanager encrypt app --from app.json \\
    --key secrets.json --transit-key app --config secretcfg.json
  gpg -d app.env.gpg | secretmanager encrypt --input env --def app.yaml
  secretmanager encrypt --def app.yaml --from app.json -o yaml
  secretmanager encrypt --def app.yaml --from app.json \\
    --onto deploy/app.yaml > new.yaml && mv new.yaml deploy/app.yaml`

interface Job {
  readonly core: Core
  readonly definition: Definition
  readonly document: Uint8Array
  readonly values: FlagValues
  readonly context: Context
}

async function encrypt(
  name: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const settings = await settingsOf(name, values, context.runtime)
  const format = INPUT_FORMATS.find((each) => each === values['input'])
  const document = await readDocument(text(values['from']), format, context)
  await withCore(settings, context, (core, definition) => {
    const job = { core, definition, document, values, context }
    return core.calls.run({ signal: context.interrupt }, (allowance) =>
      perform(job, allowance, format),
    )
  })
}

function perform(job: Job, allowance: Allowance, format: InputFormat | undefined): Promise<void> {
  const { values } = job
  if (values['dryRun'] === true) return rehearse(job, allowance, format)
  return isManifest(values) ? toManifest(job, allowance) : toCluster(job, allowance)
}

async function toCluster(job: Job, allowance: Allowance): Promise<void> {
  const { core, definition, document, values, context } = job
  const { isNew, ...written } = await encryptToCluster(core, allowance, definition, document)
  const { data, notes } = context.output
  notes.line(`${told(written)}${isNew ? '; the object is new' : ''}`)
  if (values['json'] === true) data.line(JSON.stringify(reported(definition, written, isNew)))
}

async function toManifest(job: Job, allowance: Allowance): Promise<void> {
  const { core, definition, document, values, context } = job
  const { manifest, ...written } = await encryptToManifest(
    core,
    allowance,
    definition,
    document,
    (place) => manifestDestination(values, context, place),
  )
  context.output.data.bytes(Buffer.from(manifest))
  context.output.notes.line(`${told(written)}; as a manifest, nothing was written to the cluster`)
}

/** Everything up to the first call. */
async function rehearse(
  job: Job,
  allowance: Allowance,
  format: InputFormat | undefined,
): Promise<void> {
  const { core, definition, document, values, context } = job
  core.source.documents.refuseUnfit(definition, document)
  const place = await locate(core, allowance, definition)
  await manifestDestination(values, context, place)
  const what = format === 'bytes' ? 'bytes' : 'bytes of JSON'
  const how = definition.format === 'raw' ? RAW : `bound to ${BOUND[definition.binding]}`
  context.output.notes.line(
    `would encrypt ${document.byteLength} ${what} for ${describe(place)} with the key ${place.transitKey}, ${how}; nothing was encrypted or written`,
  )
}

const RAW = 'raw, as the Python original does: bound to nothing'

const BOUND = { strict: 'that place', namespace: 'its namespace', none: 'nothing' } as const

function told({ place, revision, keyVersion }: Encrypted): string {
  const under = `key ${place.transitKey} version ${keyVersion}`
  return revision === undefined
    ? `encrypted ${describe(place)}: ${RAW}, ${under}`
    : `sealed ${describe(place)}: revision ${revision}, ${under}`
}

function reported(
  { format }: Definition,
  { place, revision, keyVersion }: Encrypted,
  isNew: boolean,
): object {
  return { ...place, format, revision, keyVersion, created: isNew }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
