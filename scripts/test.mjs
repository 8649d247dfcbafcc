/**
 * `npm test`: installs what is missing, runs what needs only Node, then what needs real servers (each
 * test skips itself where its server is not there), and says what ran against what. With
 * SM_REQUIRE_REAL=1 a missing server is a failure. Arguments go to vitest: `npm test -- test/vault`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installIfNeeded } from './install.mjs'
import { run, show } from './run.mjs'

const root = join(import.meta.dirname, '..')
const reports = mkdtempSync(join(tmpdir(), 'secretmanager-test-'))
const required = process.env.SM_REQUIRE_REAL === '1'

await installIfNeeded(root)
const servers = Object.entries(await serverStatus())
const present = servers.filter(([, server]) => server.present)
const missing = servers.filter(([, server]) => !server.present && !server.optional)

// One after the other: the servers would take the processor from tests that are nearly instant.
const runs = [await vitest('unit'), await vitest('real')]
rmSync(reports, { recursive: true })

console.log(`\nreal servers: ${present.map(describe).join(', ') || 'none'}`)
if (missing.length > 0) {
  const names = missing.map(([name]) => name).join(', ')
  console.log(`skipped is what needs a server that is not there: ${names} (npm run servers:build)`)
}
const total = (key) => runs.reduce((sum, each) => sum + each[key], 0)
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
process.exitCode = runs.every(({ ok }) => ok) && !(required && missing.length > 0) ? 0 : 1

function describe([name, { version }]) {
  return version ? `${name} ${version}` : name
}

async function serverStatus() {
  return JSON.parse(
    await run(process.execPath, ['scripts/servers.mjs', 'status', '--json'], { cwd: root }),
  )
}

async function vitest(project) {
  const file = join(reports, `${project}.json`)
  const args = [
    'run',
    '--project',
    project,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
  ]
  const code = await show(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      ...args,
      `--outputFile.json=${file}`,
      ...process.argv.slice(2),
    ],
    { cwd: root },
  )
  return { ok: code === 0, ...totals(file) }
}

/** A file that does not even load counts as one failure. */
function totals(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}
