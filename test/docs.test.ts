import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ERRORS } from '../src/errors.ts'

const ROOT = resolve(import.meta.dirname, '..')

test('docs/errors.md is the error table (npx vitest run test/docs.test.ts -u writes it)', async () => {
  const rows = Object.entries(ERRORS).map(
    ([code, [, exitCode, retryable, hint]]) =>
      `| \`${code}\` | ${exitCode} | ${retryable ? 'yes' : 'no'} | ${hint.replaceAll('|', '\\|')} |`,
  )
  const page = `# Errors

Every failure is a \`SecretManagerError\` with one of these codes. The message says what failed and where; the hint
that comes with an error is often more exact than the one here. None of its fields ever holds a value, a token or a JWT.

An error that Vault answered with carries a \`requestId\`. It is sent along as \`X-Correlation-Id\`, because Vault's own error answers have no
id; to find it in the audit log, let Vault write that header:
\`vault write sys/config/auditing/request-headers/x-correlation-id hmac=false\`.

Retryable means that the same call may succeed later. A call repeats itself within its time limit where that can help
soon; not after \`SM_K8S_CONFLICT\`, and few times after an answer that makes no sense.

Exit codes of the command line: 0 ok, 1 internal, 2 usage or configuration, 3 denied, 4 not found, 5 unreachable,
6 ciphertext or payload, 7 conflict.

| code | exit | retryable | what to do |
|---|---|---|---|
${rows.join('\n')}
`
  await expect(page).toMatchFileSnapshot(join(ROOT, 'docs/errors.md'))
})

test.each(['README.md', 'SECURITY.md', 'CONTRIBUTING.md', ...docs()])(
  'links in %s lead somewhere',
  (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      ([, target = '']) => target,
    )
    const missing = targets.filter((target) => !existsSync(join(ROOT, dirname(page), target)))
    expect(missing).toEqual([])
  },
)

test('README fits on two screens', () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(120)
})

function docs(): string[] {
  return readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
}
