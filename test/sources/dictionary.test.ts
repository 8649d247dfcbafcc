import { describe, expect, test } from 'vitest'

import type { StandardResult, StandardSchema } from '../../src/config/types.ts'
import { publish } from '../../src/sources/dictionary.ts'

const DEFINITION = {
  secretName: 'app',
  namespace: undefined,
  readType: 'SECRET',
  readKey: 'secrets.json',
  transitKey: 'app',
  format: 'raw',
  binding: 'strict',
  allowRollback: false,
} as const

function published(result: StandardResult<unknown>): Promise<object> {
  const schema: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: () => result },
  }
  return publish(new TextEncoder().encode('{"a":"CANARY"}'), { ...DEFINITION, schema })
}

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

class Settings {
  readonly a = 'CANARY'
}

describe('what a schema gives', () => {
  test.each([
    ['a Map', new Map([['a', 'CANARY']])],
    ['an instance of a class', new Settings()],
    ['what contains itself', cyclic],
    [
      'what throws when it is read',
      {
        get a(): never {
          throw new Error('CANARY')
        },
      },
    ],
    ['text', 'CANARY'],
    ['null', null],
  ])('%s is SM_SCHEMA_INVALID', async (_name, value) => {
    const error: unknown = await published({ value }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'SM_SCHEMA_INVALID',
      message: 'cannot read secrets.json of app: the schema gives no plain dictionary',
    })
    expect(JSON.stringify(error)).not.toContain('CANARY')
  })

  test('a name in the path of an issue cannot imitate another line', async () => {
    const issues = [{ message: '', path: ['list', 0, { key: 'a\nerror: b' }, Symbol('c')] }]
    await expect(published({ issues })).rejects.toMatchObject({
      message:
        'cannot read secrets.json of app: the schema refuses list[0]."a\\nerror: b"."Symbol(c)"',
    })
  })
})
