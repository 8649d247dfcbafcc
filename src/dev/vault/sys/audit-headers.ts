import { refusal } from '../core/failure.ts'
import type { PathSpec } from '../core/paths.ts'

/**
 * `sys/config/auditing/request-headers`: kept and shown, though nothing is audited here.
 *
 * https://openbao.org/api-docs/system/config-auditing/
 */
export function auditHeaderPaths(): readonly PathSpec[] {
  const headers = new Map<string, { readonly hmac: boolean }>()
  const path = 'config/auditing/request-headers'
  return [
    { pattern: path, on: { read: () => ({ data: { headers: Object.fromEntries(headers) } }) } },
    {
      pattern: `${path}/:header`,
      fields: { hmac: 'bool' },
      on: {
        read: (call) => {
          const found = headers.get(call.param('header').toLowerCase())
          if (!found) throw refusal('Could not find header in config')
          return { data: { [call.param('header')]: found } }
        },
        update: (call) => {
          headers.set(call.param('header').toLowerCase(), { hmac: call.fields.bool('hmac') })
          return undefined
        },
        delete: (call) => {
          headers.delete(call.param('header').toLowerCase())
          return undefined
        },
      },
    },
  ]
}
