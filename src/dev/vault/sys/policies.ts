import { refusal } from '../core/failure.ts'
import type { Reply } from '../core/operation.ts'
import type { Call, PathSpec } from '../core/paths.ts'
import type { PolicyStore } from '../policy/store.ts'

/** `sys/policies/acl` and its older form `sys/policy`. */
export function policyPaths(policies: PolicyStore): readonly PathSpec[] {
  const names = (): Reply => ({ data: { keys: policies.names() } })
  const oldNames = (): Reply => ({ data: { keys: policies.names(), policies: policies.names() } })
  return [
    { pattern: 'policies/acl', on: { list: names } },
    { pattern: 'policy', on: { list: oldNames, read: oldNames } },
    {
      pattern: 'policies/acl/:name',
      fields: { policy: 'string' },
      on: handlers(policies, 'policy'),
    },
    {
      pattern: 'policy/:name',
      fields: { policy: 'string', rules: 'string' },
      on: handlers(policies, 'rules'),
    },
  ]
}

function handlers(policies: PolicyStore, textKey: 'policy' | 'rules'): PathSpec['on'] {
  return {
    read: (call) => {
      const policy = policies.get(nameOf(call))
      if (!policy) return undefined
      const { name, text, version, modified } = policy
      const time = modified === undefined ? {} : { modified }
      return { data: { cas_required: false, ...time, name, [textKey]: text, version } }
    },
    update: (call) => {
      const text = call.fields.string('policy') || call.fields.string(textKey)
      if (text === '') throw refusal("'policy' parameter not supplied or empty")
      policies.put(nameOf(call), decoded(text))
      const given = call.param('name')
      if (given === nameOf(call)) return undefined
      return { warnings: [`policy name was converted to ${nameOf(call)}`] }
    },
    delete: (call) => {
      policies.remove(nameOf(call))
      return undefined
    },
  }
}

function nameOf(call: Call): string {
  return call.param('name').toLowerCase()
}

/** A policy may come in base64; no policy text is base64 by itself. */
function decoded(text: string): string {
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
  return isBase64 ? Buffer.from(text, 'base64').toString() : text
}
