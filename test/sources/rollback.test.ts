/** A document that was put back, as a service meets it: by a refresh in the background. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { reveal, SecretManager } from 'secretmanager'
import { createTestStack } from 'secretmanager/testing'

const PATH = '/api/v1/namespaces/app/secrets/app'
const REFRESH = 400_000

test('I7: every pod serves what it has, and its status says why', async () => {
  const stack = await createTestStack({ secrets: { app: { n: 1 } } })
  const definition = stack.definition('app')
  const service = (): SecretManager => {
    const sm = new SecretManager(stack.config, { runtime: stack.runtime })
    onTestFinished(() => sm.close())
    return sm
  }
  const older = await stack.operator.kubernetes('GET', PATH)
  await stack.store('app', { n: 2 })
  const pods = [service(), service()]
  for (const pod of pods) expect(reveal(await pod.readSecrets(definition))).toEqual({ n: 2 })
  const { data } = older.body as { data: object }
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'app' }, data }
  await stack.operator.kubernetes('PUT', PATH, object)
  stack.advance(REFRESH)
  for (const pod of pods) {
    expect(reveal(await pod.readSecrets(definition))).toEqual({ n: 2 })
    await vi.waitFor(() => expect(pod.status().definitions[0]?.trouble).toBeDefined())
    expect(reveal(await pod.readSecrets(definition))).toEqual({ n: 2 })
    const [status] = pod.status().definitions
    expect(pod.status().ready).toBe(true)
    expect(status).toMatchObject({ freshness: 'stale', trouble: { code: 'SM_ROLLBACK_REFUSED' } })
    expect(status?.trouble?.hint).toContain('secretmanager rollback')
  }
  // The old content under a new revision: that is how one goes back.
  await stack.store('app', { n: 1 })
  stack.advance(REFRESH)
  for (const pod of pods) {
    await pod.readSecrets(definition)
    await vi.waitFor(() => expect(pod.status().definitions[0]?.freshness).toBe('fresh'))
    expect(reveal(await pod.readSecrets(definition))).toEqual({ n: 1 })
  }
})
