import type { Command } from 'commander'

import { loadProvisionFile, type ProvisionFile } from '../../config/provision-file.ts'
import { parseConfig } from '../../config/schema.ts'
import type { Settings } from '../../config/settings.ts'
import { closeCore, createCore, type Core } from '../../core.ts'
import { SecretManagerError } from '../../errors.ts'
import { apply, compare, compareDestroyed, refusal } from '../../provision/apply.ts'
import { isWork, type Verdict } from '../../provision/change.ts'
import { prove } from '../../provision/prove.ts'
import { isBroken, type Proof } from '../../provision/proof.ts'
import { renewReviewers } from '../../provision/renew.ts'
import { renewedIn } from '../../provision/renewal.ts'
import { NO_ADDRESS, vaultAddress } from '../../provision/renewer-config.ts'
import { openServers, type Servers } from '../../provision/servers.ts'
import { manifestsYaml } from '../../provision/yaml.ts'
import type { Runtime } from '../../runtime.ts'
import { Findings } from '../findings.ts'
import { processInput } from '../input.ts'
import { paragraph, type Output } from '../output.ts'
import type { Context } from '../context.ts'
import { addFlags, refuseContradictions } from '../provision-flags.ts'
import {
  printChange,
  printJson,
  printNotes,
  printProofs,
  printSummary,
} from '../provision-report.ts'
import { addConfigFlags, configOf, type FlagValues } from '../settings.ts'
import { misused } from '../usage.ts'
import { addInitFlags, initVault, retireRoot, STILL_VALID, withToken } from '../vault-init.ts'
import { announceWaits } from '../waiting.ts'

/** Adds `secretmanager provision`: from an empty Vault and cluster to an app that reads. */
export function addProvisionCommand(program: Command, context: Context): void {
  const command = program
    .command('provision')
    .argument('[file]', 'provision file: clusters and apps, in YAML or JSON')
    .description('set up Vault and Kubernetes for apps, with the least that each needs')
  addConfigFlags(addInitFlags(addFlags(command))).addHelpText('after', MORE)
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
  if (file && values['output'] === 'yaml') return printManifests(file, values, context)
  const settings = await settingsOf(values, runtime)
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
  const { output } = context
  // What takes the keys from stdout takes nothing else.
  const rest = values['keys'] === '-' ? { ...context, output: apart(output) } : context
  await withServers(withToken(settings, token), context, async (core) => {
    try {
      await carryOut(core, file, values, rest)
    } catch (error) {
      // Somebody has to go on with it.
      output.notes.line(STILL_VALID)
      throw error
    }
    await retireRoot(token, values, core, context)
  })
}

function apart({ notes }: Output): Output {
  return { data: notes, notes }
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

/** Asks no server. Only a pod that has to reach Vault is told where that is. */
async function printManifests(
  file: ProvisionFile,
  values: FlagValues,
  { runtime, output }: Context,
): Promise<void> {
  const address = file.clusters.some(renewedIn)
    ? await vaultAddress(file, await settingsOf(values, runtime), runtime)
    : NO_ADDRESS
  output.data.line((await manifestsYaml(file, address)).trimEnd())
}

/** A role of the configuration is that of the service, which must not be able to do this. */
async function settingsOf(values: FlagValues, runtime: Runtime): Promise<Settings> {
  const { config } = await configOf({ authMethod: 'token', ...values }, runtime)
  return parseConfig(config)
}

async function setUp(servers: Servers, values: FlagValues, context: Context): Promise<void> {
  const { output } = context
  const verdict = await compare(servers)
  if (isToTell(verdict, values)) return tell(verdict, values, context)
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

/** A program that asked for JSON gets it where nothing may be done, too. */
function isToTell({ conflicts }: Verdict, { dryRun, json }: FlagValues): boolean {
  return dryRun === true || (json === true && conflicts.length > 0)
}

/** What would be done, and what stands in its way. */
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
  if (isToTell(verdict, values)) return tell(verdict, values, context)
  const isJson = values['json'] === true
  if (values['yes'] !== true && verdict.changes.some(isWork)) {
    const sheets = isJson ? apart(output) : output
    for (const change of verdict.changes.filter(isWork)) printChange(sheets, change)
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
