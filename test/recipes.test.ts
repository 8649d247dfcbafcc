/** Each recipe of examples/ as its users start it: a process, a port, probes, SIGTERM. */
import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, test, vi } from 'vitest'

import { SAMPLE } from '../src/dev/serve-stack.ts'
import { buildRecipes, leaksIn, recipeWorld, type Recipe } from './recipe-process.ts'

const RECIPES: readonly (readonly [string, Recipe])[] = [
  ['fastify', { program: 'examples/fastify/main', exitCode: 0 }],
  ['express', { program: 'examples/express/main', exitCode: 0 }],
  ['nestjs', { program: 'examples/nestjs/main', exitCode: 0 }],
  // `next start` ends the process itself.
  ['nextjs', { program: 'test/next-host', exitCode: 143 }],
]

const SIGNED = {
  signature: createHmac('sha256', SAMPLE['api_token'] ?? '')
    .update('hello')
    .digest('hex'),
}
const SEALED = { ready: false, trouble: ['SM_VAULT_SEALED'] }
const DENIED = { ready: false, trouble: ['SM_AUTH_DENIED'] }
const READY = { ready: true, trouble: [] }

beforeAll(() => buildRecipes(RECIPES.map(([, recipe]) => recipe)))

describe.each(RECIPES)('examples/%s', (_name, recipe) => {
  test('is alive while Vault is sealed, ready once it is open, and serves on when it is sealed again', async () => {
    const { seal, unseal, start } = await recipeWorld()
    await seal()
    const { get, said, terminate, ended } = await start(recipe)
    expect(await get('/healthz')).toEqual([200, { alive: true }])
    await vi.waitFor(async () => expect(await get('/readyz')).toEqual([503, SEALED]), SOON)
    await unseal()
    await vi.waitFor(async () => expect(await get('/readyz')).toEqual([200, READY]), SOON)
    await seal()
    expect(await get('/sign?text=hello')).toEqual([200, SIGNED])
    expect(await get('/readyz')).toEqual([200, READY])
    terminate()
    expect(await ended).toBe(recipe.exitCode)
    expect(said()).toContain('SM_VAULT_SEALED')
    expect(leaksIn(said())).toEqual([])
  })

  test('on SIGTERM a request that runs is answered before anything else is closed', async () => {
    const { seal, unseal, start } = await recipeWorld()
    await seal()
    const { get, said, terminate, ended } = await start(recipe)
    const answer = get('/sign?text=hello')
    // Awaited further down, and until then nobody's.
    answer.catch(() => undefined)
    await vi.waitFor(() => expect(said()).toContain('SM_VAULT_SEALED'), SOON)
    terminate()
    await vi.waitFor(() => expect(get('/healthz')).rejects.toThrow('fetch failed'), SOON)
    await unseal()
    expect(await answer).toEqual([200, SIGNED])
    expect(await ended).toBe(recipe.exitCode)
  })

  test('tells a client that there are no secrets, and the log why', async () => {
    const { start } = await recipeWorld()
    const { get, said, terminate, ended } = await start(recipe, { VAULT_ROLE: 'nobody' })
    expect(await get('/sign?text=hello')).toEqual([503, { error: 'unavailable' }])
    expect(await get('/readyz')).toEqual([503, DENIED])
    terminate()
    await ended
    expect(said()).toContain('SM_AUTH_DENIED')
    expect(leaksIn(said())).toEqual([])
  })
})

test('the search for leaks finds what was read, encoded too, and tokens', () => {
  const value = SAMPLE['api_token'] ?? ''
  const texts = [
    value,
    Buffer.from(value).toString('hex'),
    'token hvb.AAAAAQJx0123',
    'eyJhbGciOiJ.eyJh',
  ]
  expect(texts.filter((text) => leaksIn(text).length === 0)).toEqual([])
})

const SOON = { timeout: 60_000, interval: 100 }
