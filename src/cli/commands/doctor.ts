import type { Command } from 'commander'

import { definitionOf } from '../../config/definition.ts'
import { parseConfig } from '../../config/schema.ts'
import { CHECKS } from '../../doctor/checks.ts'
import { diagnose, type Result } from '../../doctor/run.ts'
import { isFound, type Outcome } from '../../doctor/verdict.ts'
import { closeWorld, createWorld, type World } from '../../doctor/world.ts'
import { Findings } from '../findings.ts'
import { dim, paragraph, strong, type Output, type Sheet } from '../output.ts'
import type { Context } from '../program.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'
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
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => examine(name, values, context))
}

const MORE = `
Exits with 8 where something is found. What the identity may not
look at is "not checked", with what it would need. Nothing is
changed, and no secret is ever printed.

Examples:
  secretmanager doctor app --config secretcfg.json \\
    --key secrets.json --transit-key app
  VAULT_TOKEN=… secretmanager doctor app --as-operator --json`

async function examine(
  name: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const world = await worldOf(name, values, context)
  const quiet = announceWaits(context.output, context.runtime)
  try {
    const isJson = values['json'] === true
    const results: Result[] = []
    for await (const result of diagnose(world, CHECKS)) {
      results.push(result)
      if (!isJson) printResult(result, context.output.data)
    }
    if (isJson) context.output.data.line(JSON.stringify({ checks: results }, undefined, 2))
    printSummary(results, context.output)
    if (results.some(isFound)) throw new Findings()
  } finally {
    quiet()
    await closeWorld(world)
  }
}

async function worldOf(
  name: string | undefined,
  values: FlagValues,
  { runtime, interrupt: signal }: Context,
): Promise<World> {
  const { config, definition } = await settingsOf(name, values, runtime)
  return createWorld({
    settings: parseConfig(config),
    definition: definitionOf(definition),
    runtime,
    asOperator: values['asOperator'] === true,
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
  data.line(`${isPlain ? dim(data, label) : strong(data, label)}${id.padEnd(ID)}${shownName(text)}`)
  if (mend !== undefined) paragraph(data, `try: ${shownName(mend)}`, OUTCOME)
}

function printSummary(results: readonly Result[], { notes }: Output): void {
  const count = (outcome: Outcome): number =>
    results.filter((result) => result.outcome === outcome).length
  const parts = (['critical', 'finding', 'warning', 'not checked'] as const)
    .filter((outcome) => count(outcome) > 0)
    .map((outcome) => `${count(outcome)} ${outcome}`)
  const found = results.some(isFound) ? [] : ['nothing found']
  notes.line(`${results.length} checks: ${[...found, ...parts].join(', ')}`)
}
