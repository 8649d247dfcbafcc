import type { Command } from 'commander'

import { definitionOf } from '../../config/definition.ts'
import { parseConfig } from '../../config/schema.ts'
import { accessTo, type AccessReport } from '../../doctor/access/report.ts'
import { CHECKS } from '../../doctor/checks.ts'
import { caOf, jobManifests, namespaceOf } from '../../doctor/job.ts'
import { diagnose, type Result } from '../../doctor/run.ts'
import { isFound, type Outcome } from '../../doctor/verdict.ts'
import { closeWorld, createWorld, findOperator, type World } from '../../doctor/world.ts'
import { SecretManagerError } from '../../errors.ts'
import { word } from '../../lib/shell-word.ts'
import { Findings } from '../findings.ts'
import { dim, paragraph, strong, type Output, type Sheet } from '../output.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'
import { VERSION } from '../version.ts'
import { announceWaits } from '../waiting.ts'

/** Adds `secretmanager doctor`: says what stands between a service and its dictionary. */
export function addDoctorCommand(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('check everything that a read needs, and name the command that mends it')
    .option('--json', 'print the results as JSON')
    .option(
      '--as-operator',
      "look at Vault's settings with VAULT_TOKEN or ~/.vault-token, beside the service's login",
    )
    .option(
      '--journal-namespace <name>',
      "namespace of the rotation's journal (default: the context's, and the document's)",
    )
    .option('--print-job', "print a Kubernetes Job that runs this as the service's ServiceAccount")
    .option(
      '--image <ref>',
      'image of that Job, with secretmanager in it',
      `secretmanager:${VERSION}`,
    )
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) =>
    values['printJob'] === true ? printJob(name, values, context) : examine(name, values, context),
  )
  command
    .command('access')
    .argument('<namespace/name>', 'Secret or ConfigMap that holds the ciphertext')
    .description('list who can decrypt it: roles of Vault, and who may be their ServiceAccounts')
    .configureHelp({ showGlobalOptions: true })
    .action((target: string, _own: FlagValues, own: Command) =>
      listAccess(target, own.optsWithGlobals(), context),
    )
}

const MORE = `
Exits with 8 where something is found. What the identity may not
look at is "not checked", with what it would need. Nothing is
changed, and no secret is ever printed.

Examples:
  secretmanager doctor app --config secretcfg.json \\
    --key secrets.json --transit-key app
  VAULT_TOKEN=… secretmanager doctor app --as-operator --json
  secretmanager doctor app --config secretcfg.json \\
    --def secretdef.json --print-job | kubectl replace --force -f -
  secretmanager doctor access prod/app --as-operator \\
    --def app.yaml --config secretmanager.yaml`

async function examine(
  name: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const world = await worldOf(name, values, context)
  const quiet = announceWaits(context.output, context.runtime)
  try {
    await findOperator(world)
    const isJson = values['json'] === true
    const results: Result[] = []
    for await (const result of diagnose(world, CHECKS)) {
      results.push(result)
      if (!isJson) printResult(result, context.output.data)
    }
    if (isJson) context.output.data.line(JSON.stringify({ checks: results }, undefined, 2))
    printVaultAddress(results, world, context.output)
    printSummary(results, context.output)
    if (results.some(isFound)) throw new Findings()
  } finally {
    quiet()
    await closeWorld(world)
  }
}

/** Who can decrypt is no finding; a cluster that judges nobody is. */
async function listAccess(target: string, values: FlagValues, context: Context): Promise<void> {
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(target) ?? []
  if (namespace === undefined || name === undefined) {
    const hint = 'secretmanager doctor access prod/app, with the flags of doctor'
    throw new SecretManagerError('SM_CONFIG_INVALID', 'the target is not NAMESPACE/NAME', { hint })
  }
  const world = await worldOf(name, { ...values, namespace }, context)
  try {
    await findOperator(world)
    const report = await accessTo(world)
    const { data } = context.output
    if (values['json'] === true) data.line(JSON.stringify(report, undefined, 2))
    else printAccess(report, data)
    if (report.authorizer && isFound(report.authorizer)) throw new Findings()
  } finally {
    await closeWorld(world)
  }
}

function printAccess(report: AccessReport, data: Sheet): void {
  const { key, roles, authorizer, notChecked: unknown } = report
  data.line(strong(data, `${key} decrypts for:`))
  if (roles.length === 0) data.line('  nobody that was found, as far as was looked')
  for (const { role, policies, doubts, subjects } of roles) {
    const granting = policies.length > 0 ? [`policy ${policies.join(', ')}`] : []
    paragraph(data, shownName(`${role} (${[...granting, ...doubts].join('; ')})`), 4, '  ')
    for (const subject of subjects) paragraph(data, shownName(subject), 6, '    ')
  }
  printAccounts(report, data)
  if (authorizer && isFound(authorizer)) {
    data.line(`${strong(data, authorizer.outcome)}: ${authorizer.reason}`)
    paragraph(data, `try: ${authorizer.mend ?? ''}`)
  }
  for (const needs of unknown) {
    paragraph(data, shownName(needs), OUTCOME, `${dim(data, 'not checked:')} `)
  }
}

function printAccounts({ accounts }: AccessReport, data: Sheet): void {
  for (const { account, tokens, pods } of accounts) {
    data.line(strong(data, `ServiceAccount ${shownName(account)}:`))
    paragraph(data, `its tokens: ${shownName(tokens.join(', ') || 'nobody')}`, 4, '  ')
    paragraph(data, `pods that may run as it: ${shownName(pods.join(', ') || 'nobody')}`, 4, '  ')
  }
}

/** Several documents of YAML, for kubectl. */
async function printJob(
  name: string | undefined,
  values: FlagValues,
  { runtime, output }: Context,
): Promise<void> {
  const { config, definition } = await settingsOf(name, values, runtime)
  const settings = parseConfig(config)
  const image = String(values['image'])
  const caPem = await caOf(settings.vault.transport.ca, runtime)
  const plan = { settings, definition: definitionOf(definition), image, caPem }
  const manifests = jobManifests(plan)
  const { stringify } = await import('yaml')
  const texts = manifests.map((manifest) => stringify(manifest, { lineWidth: 0 }))
  output.data.bytes(Buffer.from(texts.join('---\n')))
  output.notes.line(
    `pipe it into kubectl replace --force -f -; then: kubectl -n ${namespaceOf(plan)} logs -f job/secretmanager-doctor`,
  )
}

async function worldOf(
  name: string | undefined,
  values: FlagValues,
  { runtime, interrupt: signal }: Context,
): Promise<World> {
  const { config, definition } = await settingsOf(name, values, runtime)
  const { asOperator, journalNamespace } = values
  return createWorld({
    settings: parseConfig(config),
    definition: definitionOf(definition),
    runtime,
    asOperator: asOperator === true,
    journalNamespace: typeof journalNamespace === 'string' ? journalNamespace : undefined,
    signal,
  })
}

/** Columns of the outcome and of the id. */
const OUTCOME = 13
const ID = Math.max(...CHECKS.map(({ id }) => id.length)) + 2

function printResult({ id, outcome, reason, mend }: Result, data: Sheet): void {
  const label = outcome.padEnd(OUTCOME)
  const isPlain = outcome === 'ok' || outcome === 'not checked'
  const text = outcome === 'not checked' ? `needs ${reason}` : reason
  const head = `${isPlain ? dim(data, label) : strong(data, label)}${id.padEnd(ID)}`
  paragraph(data, shownName(text), OUTCOME + ID, head)
  if (mend !== undefined) paragraph(data, `try: ${shownName(mend)}`, OUTCOME)
}

const VAULT_COMMAND = /\bvault (?:\w+ )?(?:write|list|read|init|unseal|enable|disable)\b/

/** The command line of Vault does not read our settings: without these it asks somebody else. */
function printVaultAddress(
  results: readonly Result[],
  { settings: { vault } }: World,
  { notes }: Output,
): void {
  if (!results.some(({ mend = '' }) => VAULT_COMMAND.test(mend))) return
  const { ca } = vault.transport
  const settings = [
    `VAULT_ADDR=${word(vault.url)}`,
    ...(ca?.kind === 'file' ? [`VAULT_CACERT=${word(ca.path)}`] : []),
    ...(vault.namespace === undefined ? [] : [`VAULT_NAMESPACE=${word(vault.namespace)}`]),
  ]
  paragraph(notes, `for the commands of vault: export ${settings.join(' ')}`, 2, '')
}

function printSummary(results: readonly Result[], { notes }: Output): void {
  const count = (outcome: Outcome): number =>
    results.filter((result) => result.outcome === outcome).length
  const parts = (['critical', 'finding', 'warning', 'not checked'] as const)
    .filter((outcome) => count(outcome) > 0)
    .map((outcome) => `${count(outcome)} ${outcome}${endingOf(outcome, count(outcome))}`)
  const found = results.some(isFound) ? [] : ['nothing found']
  notes.line(`${results.length} checks: ${[...found, ...parts].join(', ')}`)
  const closed = results.filter(({ reason }) => reason.includes('(or --as-operator)'))
  const need = closed.length === 1 ? 'needs' : 'need'
  if (closed.length > 0) paragraph(notes, `${closed.length} of these ${need} ${OPERATOR}`)
}

function endingOf(outcome: Outcome, count: number): string {
  return count > 1 && (outcome === 'finding' || outcome === 'warning') ? 's' : ''
}

/** Most of what is not checked is settings of Vault, which a service has no business with. */
const OPERATOR =
  'rights in Vault that a service should not have: an operator looks with --as-operator, and VAULT_TOKEN or ~/.vault-token'
