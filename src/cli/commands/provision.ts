import { Option, type Command } from 'commander'

import { loadProvisionFile, type ProvisionFile } from '../../config/provision-file.ts'
import { parseConfig } from '../../config/schema.ts'
import type { Settings } from '../../config/settings.ts'
import { closeCore, createCore, type Core } from '../../core.ts'
import { SecretManagerError } from '../../errors.ts'
import { apply, compare, compareDestroyed, refusal } from '../../provision/apply.ts'
import { isWork, type Verdict } from '../../provision/change.ts'
import { isBroken, prove, type Proof } from '../../provision/prove.ts'
import { renewReviewers } from '../../provision/renew.ts'
import { openServers, type Servers } from '../../provision/servers.ts'
import { manifestsYaml } from '../../provision/yaml.ts'
import { Findings } from '../findings.ts'
import { processInput } from '../input.ts'
import { paragraph } from '../output.ts'
import type { Context } from '../program.ts'
import {
  printChange,
  printJson,
  printNotes,
  printProofs,
  printSummary,
} from '../provision-report.ts'
import { addConfigFlags, configOf, type FlagValues } from '../settings.ts'
import { addInitFlags, initVault, retireRoot, STILL_VALID, withToken } from '../vault-init.ts'
import { announceWaits } from '../waiting.ts'

/** Adds `secretmanager provision`: from an empty Vault and cluster to an app that reads. */
export function addProvisionCommand(program: Command, context: Context): void {
  const command = program
    .command('provision')
    .argument('[file]', 'provision file: clusters and apps, in YAML or JSON')
    .description('set up Vault and Kubernetes for apps, with the least that each needs')
    .option('--dry-run', 'show what differs, and change nothing')
    .option('--exit-code', 'with --dry-run: exit with 8 where something differs')
    .option('--no-prove', 'do not try afterwards what must work and what must be refused')
    .option('--destroy', 'take away what was set up; keys, mounts and namespaces stay')
    .option('--destroy-keys', 'with --destroy: the keys, too, and so every document under them')
    .addOption(
      new Option(
        '--renew-reviewer',
        'renew what Vault reviews tokens by, once half of its life is over, and do nothing else',
      ).conflicts(['destroy', 'dryRun']),
    )
    .option('--yes', 'do not ask before --destroy; needed where nobody can be asked')
    .addOption(
      new Option(
        '-o, --output <format>',
        'print the manifests for Kubernetes instead; no server is asked',
      ).choices(['yaml']),
    )
    .option('--json', 'report as JSON')
  addConfigFlags(addInitFlags(command)).addHelpText('after', MORE)
  command.action((file: string | undefined, values: FlagValues) => provision(file, values, context))
}

const MORE = `
Logs in with VAULT_TOKEN or ~/.vault-token unless --auth-method says
otherwise, and uses your kubeconfig. What is there already and is as it
should be is left alone: a second run writes nothing. Exits with 8 where
something is not as it must be.

Examples:
  secretmanager provision provision.yaml --dry-run
  secretmanager provision provision.yaml --config secretmanager.yaml
  secretmanager provision provision.yaml -o yaml | kubectl apply -f -
  secretmanager provision provision.yaml --destroy
  secretmanager provision provision.yaml --init --keys keys.json --unseal`

async function provision(
  path: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const { runtime } = context
  const isNew = values['init'] === true
  refuseContradictions(values, context)
  if (path === undefined && !isNew) {
    throw misused(
      'it is not said what is to be set up',
      'secretmanager provision FILE; secretmanager init writes one',
    )
  }
  const file = path === undefined ? undefined : await loadProvisionFile(path, runtime)
  if (file && values['output'] === 'yaml') return printManifests(file, context)
  // A role of the configuration is that of the service, which must not be able to do this.
  const { config } = await configOf({ authMethod: 'token', ...values }, runtime)
  const settings = parseConfig(config)
  if (isNew) return begin(file, settings, values, context)
  return withServers(settings, context, (core) => carryOut(core, file, values, context))
}

/** A new Vault is initialised first, and set up with its root token, which goes when all is done. */
async function begin(
  file: ProvisionFile | undefined,
  settings: Settings,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const token = await withServers(settings, context, (core) =>
    initVault(values, core, context, file !== undefined),
  )
  if (token === undefined) return
  await withServers(withToken(settings, token), context, async (core) => {
    try {
      await carryOut(core, file, values, context)
    } catch (error) {
      // Somebody has to go on with it.
      context.output.notes.line(STILL_VALID)
      throw error
    }
    await retireRoot(token, values, core, context)
  })
}

async function withServers<T>(
  settings: Settings,
  { output, runtime }: Context,
  work: (core: Core) => Promise<T>,
): Promise<T> {
  const core = createCore(settings, runtime)
  const quiet = announceWaits(output, runtime)
  try {
    return await work(core)
  } finally {
    quiet()
    await closeCore(core)
  }
}

async function carryOut(
  core: Core,
  file: ProvisionFile | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  if (file === undefined) return
  const servers = openServers(core, file, context.runtime, context.interrupt)
  try {
    if (values['destroy'] === true) await destroy(servers, values, context)
    else if (values['renewReviewer'] === true) await renew(servers, values, context)
    else await setUp(servers, values, context)
  } finally {
    servers.close()
  }
}

function refuseContradictions(
  values: FlagValues,
  { input = processInput(process) }: Context,
): void {
  const { destroy: isDestroy, destroyKeys, dryRun, yes, exitCode } = values
  if (destroyKeys === true && isDestroy !== true) {
    throw misused('--destroy-keys is a part of --destroy', '--destroy --destroy-keys')
  }
  if (exitCode === true && dryRun !== true) {
    throw misused('--exit-code is a part of --dry-run', '--dry-run --exit-code')
  }
  // Before any call: a job that cannot end must not begin.
  if (isDestroy === true && dryRun !== true && yes !== true && !input.isTerminal) {
    throw misused('what is taken away is gone, and nobody is here to be asked', '--yes; --dry-run')
  }
}

function misused(message: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', message, { hint })
}

async function printManifests(file: ProvisionFile, { output }: Context): Promise<void> {
  output.data.line((await manifestsYaml(file)).trimEnd())
}

async function setUp(servers: Servers, values: FlagValues, context: Context): Promise<void> {
  const { output } = context
  const verdict = await compare(servers)
  if (values['dryRun'] === true) return tell(verdict, values, context)
  const isJson = values['json'] === true
  await apply(servers, verdict, (change) => {
    if (!isJson) printChange(output, change)
  })
  printNotes(output, verdict.notes)
  printSummary(output, verdict, 'done')
  const proofs = values['prove'] === false ? undefined : await prove(servers)
  if (isJson) printJson(output, verdict, { isDone: true, proofs })
  if (proofs) conclude(proofs, isJson, context)
}

/** A dry run. */
function tell(verdict: Verdict, values: FlagValues, { output }: Context): void {
  const work = verdict.changes.filter(isWork)
  if (values['json'] === true) printJson(output, verdict, { isDone: false })
  else for (const change of work) printChange(output, change)
  printNotes(output, verdict.notes)
  if (verdict.conflicts.length > 0) throw refusal(verdict.conflicts)
  printSummary(output, verdict, 'to do; nothing was written')
  if (values['exitCode'] === true && work.length > 0) throw new Findings()
}

const WHY =
  'secretmanager doctor NAME --as-operator, with the role and the ServiceAccount that it is about, says why'

function conclude(proofs: readonly Proof[], isJson: boolean, { output }: Context): void {
  if (!isJson && proofs.length > 0) printProofs(output, proofs)
  if (!proofs.some(isBroken)) return
  paragraph(output.notes, `try: ${WHY}`, 0)
  throw new Findings()
}

async function destroy(servers: Servers, values: FlagValues, context: Context): Promise<void> {
  const { output, input = processInput(process), interrupt } = context
  const verdict = await compareDestroyed(servers, { keys: values['destroyKeys'] === true })
  if (values['dryRun'] === true) return tell(verdict, values, context)
  const isJson = values['json'] === true
  if (values['yes'] !== true && verdict.changes.some(isWork)) {
    for (const change of verdict.changes.filter(isWork)) printChange(output, change)
    if (!(await input.confirm('take all of this away?', 'no', interrupt))) throw declined()
  }
  await apply(servers, verdict, (change) => {
    if (!isJson && values['yes'] === true) printChange(output, change)
  })
  printNotes(output, verdict.notes)
  printSummary(output, verdict, 'done')
  if (isJson) printJson(output, verdict, { isDone: true })
}

async function renew(servers: Servers, values: FlagValues, { output }: Context): Promise<void> {
  const verdict = await renewReviewers(servers)
  if (values['json'] === true) printJson(output, verdict, { isDone: true })
  else for (const change of verdict.changes.filter(isWork)) printChange(output, change)
  printNotes(output, verdict.notes)
  printSummary(output, verdict, 'renewed')
}

function declined(): SecretManagerError {
  return new SecretManagerError('SM_ABORTED', 'nothing was taken away', {
    hint: '--destroy --dry-run shows what would be',
  })
}
