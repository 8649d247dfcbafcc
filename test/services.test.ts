/** What docs/services.md and docs/telemetry.md show is what there is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SecretManager } from 'secretmanager'
import { createTestStack } from 'secretmanager/testing'
import { describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '..')

describe('docs/services.md', () => {
  test('status() shows an outage as the page has it', async () => {
    const stack = await createTestStack({ secrets: { app: { token: 'CANARY' } } })
    const cache = { refreshAfter: '5m' }
    // Between attempts nobody really waits.
    const sleep = async (ms: number): Promise<void> => stack.advance(ms)
    const runtime = { ...stack.runtime, sleep }
    await using sm = new SecretManager({ ...stack.config, cache }, { runtime })
    const definition = { ...stack.definition('app'), namespace: 'app' }
    await sm.readSecrets(definition)
    await stack.store('app', { token: 'CANARY', more: 1 })
    await stack.sealVault()
    stack.advance(400_000)
    await sm.readSecrets(definition)
    await vi.waitFor(() => expect(sm.status().definitions[0]?.freshness).toBe('stale'))
    const shown = await exampleOf('docs/services.md', 'json')
    expect(shapeOf(JSON.parse(JSON.stringify(sm.status())))).toEqual(shapeOf(JSON.parse(shown)))
  })

  test('no restart while Vault is away: only readiness asks for secrets', async () => {
    const { spec } = parse(await exampleOf('docs/services.md', 'yaml')) as PodTemplate
    const [{ startupProbe, livenessProbe, readinessProbe } = {}] = spec.containers
    expect([startupProbe, livenessProbe, readinessProbe].map((one) => one?.httpGet.path)).toEqual([
      '/healthz',
      '/healthz',
      '/readyz',
    ])
  })
})

describe('docs/telemetry.md', () => {
  test('has a row for each channel, with all of its fields', async () => {
    const page = await readFile(join(root, 'docs/telemetry.md'), 'utf8')
    const rows = [...page.matchAll(/^\| `(\w+)` \|.*\|([^|]*)\|$/gm)].map(
      ([, name, fields = '']) => [
        name,
        [...fields.matchAll(/`(\w+)`/g)].map(([, field]) => field).toSorted(),
      ],
    )
    expect(Object.fromEntries(rows)).toEqual(await channels())
  })
})

interface PodTemplate {
  readonly spec: { readonly containers: readonly Readonly<Record<string, Probe>>[] }
}

interface Probe {
  readonly httpGet: { readonly path: string }
}

async function exampleOf(page: string, language: string): Promise<string> {
  const text = await readFile(join(root, page), 'utf8')
  return new RegExp('```' + language + '\n([^]*?)```').exec(text)?.[1] ?? ''
}

/** Names and types, without the values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]))
}

/** The fields of each channel, as the agreed declarations have them. */
async function channels(): Promise<Record<string, readonly string[]>> {
  const declared = await readFile(join(root, 'docs/api.d.ts'), 'utf8')
  const fieldsOf = (name: string): string[] => {
    const [, parent, body = ''] =
      new RegExp(`interface ${name}(?: extends (\\w+))? \\{([^}]*)\\}`).exec(declared) ?? []
    const own = [...body.matchAll(/readonly (\w+)/g)].map(([, field = '']) => field)
    return [...(parent === undefined ? [] : fieldsOf(parent)), ...own]
  }
  const [, list = ''] = /interface Channels \{([^}]*)\}/.exec(declared) ?? []
  const events = [...list.matchAll(/readonly (\w+): (\w+)/g)]
  return Object.fromEntries(
    events.map(([, name, event = '']) => [name, fieldsOf(event).toSorted()]),
  )
}
