import { describe, expect, test } from 'vitest'

import {
  allows,
  mayI,
  mayUser,
  rulesIn,
  serviceAccountUser,
} from '../../src/kubernetes/access-review.ts'
import { clientOn } from './client-on.ts'

describe('an access review', () => {
  test('asks with every part of the action', async () => {
    const { client, budget, sent } = clientOn(() => ({
      status: 201,
      json: { status: { allowed: true } },
    }))
    const action = {
      verb: 'create',
      resource: 'serviceaccounts/token',
      group: 'g',
      namespace: 'prod',
      name: 'web',
    }
    expect(await mayI(client, budget.begin(), action)).toBe(true)
    expect(sent[0]?.url).toBe(
      'https://10.96.0.1:443/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    )
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          ...{ verb: 'create', group: 'g', resource: 'serviceaccounts', subresource: 'token' },
          ...{ namespace: 'prod', name: 'web' },
        },
      },
    })
  })

  test.each([
    [undefined, 'status'],
    [{ status: 'x' }, 'status'],
    [{ status: {} }, 'allowed'],
    [{ status: { allowed: 'true' } }, 'allowed'],
  ])('%j is no verdict', async (json, field) => {
    const { client, budget } = clientOn(() => ({ status: 201, json }))
    const action = { verb: 'get', resource: 'secrets' }
    await expect(mayI(client, budget.begin(), action)).rejects.toMatchObject({
      code: 'SM_K8S_BAD_RESPONSE',
      message: `the answer of kubernetes at https://10.96.0.1:443 (201) is a review without ${field}`,
    })
  })

  test('of a ServiceAccount names it and its groups', async () => {
    const json = { status: { allowed: false } }
    const { client, budget, sent } = clientOn(() => ({ status: 201, json }))
    const action = { verb: 'list', resource: 'secrets', namespace: 'prod' }
    const user = serviceAccountUser('prod', 'web')
    expect(await mayUser(client, budget.begin(), user, action)).toBe(false)
    expect(sent[0]?.url).toMatch(/\/v1\/subjectaccessreviews$/)
    expect(JSON.parse(sent[0]?.body ?? '')).toMatchObject({
      kind: 'SubjectAccessReview',
      spec: {
        user: 'system:serviceaccount:prod:web',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
        resourceAttributes: { verb: 'list', group: '', resource: 'secrets', namespace: 'prod' },
      },
    })
  })

  test('of somebody else without a verdict is no refusal', async () => {
    const { client, budget } = clientOn(() => ({ status: 201, json: { status: {} } }))
    const action = { verb: 'list', resource: 'secrets' }
    const asked = mayUser(client, budget.begin(), serviceAccountUser('prod', 'web'), action)
    await expect(asked).rejects.toMatchObject({ code: 'SM_K8S_BAD_RESPONSE' })
  })

  test('that is refused says so', async () => {
    const { client, budget } = clientOn(() => ({ status: 403 }))
    await expect(rulesIn(client, budget.begin(), 'prod')).rejects.toMatchObject({
      code: 'SM_K8S_DENIED',
      message:
        'the API server at https://10.96.0.1:443 refused to create selfsubjectrulesreviews.authorization.k8s.io (403)',
    })
  })

  test.each([[{ resourceRules: [], incomplete: 'no' }], [{ incomplete: false }]])(
    'with status %j has no rules',
    async (status) => {
      const { client, budget } = clientOn(() => ({ status: 201, json: { status } }))
      await expect(rulesIn(client, budget.begin(), 'prod')).rejects.toMatchObject({
        code: 'SM_K8S_BAD_RESPONSE',
      })
    },
  )

  test('an incomplete list of rules denies nothing', async () => {
    const rule = { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }
    const status = { resourceRules: [rule], incomplete: true }
    const { client, budget } = clientOn(() => ({ status: 201, json: { status } }))
    const rules = await rulesIn(client, budget.begin(), 'prod')
    const may = (name: string): boolean | undefined =>
      allows(rules, { verb: 'get', resource: 'secrets', name })
    expect([may('a'), may('b')]).toEqual([true, undefined])
  })

  const rule = (...resources: string[]): object => ({
    verbs: ['*'],
    groups: ['', 'apps'],
    resources,
    names: [],
  })
  test.each([
    [rule('secrets'), 'secrets', '', true],
    [rule('secrets'), 'secrets', 'apps', true],
    [rule('secrets'), 'secrets', 'batch', false],
    [rule('secrets'), 'secrets/status', '', false],
    [rule('serviceaccounts/token'), 'serviceaccounts/token', '', true],
    [rule('*/token'), 'serviceaccounts/token', '', true],
    [rule('*/token'), 'serviceaccounts', '', false],
    [rule('*'), 'serviceaccounts/token', '', true],
    [rule(), 'secrets', '', false],
  ])('the rule %j to get %s of group "%s": %s', (one, resource, group, expected) => {
    const rules = { rules: [one], isIncomplete: false } as Parameters<typeof allows>[0]
    expect(allows(rules, { verb: 'get', resource, group })).toBe(expected)
  })
})
