import { describe, expect, test } from 'vitest'
import { b64, DENIED, unique, type ClientSource } from './vault-under-test.ts'

const READ = 'path "x" { capabilities = ["read"] }'

/** Policies as documents, and what they allow. */
export function policySuite(client: ClientSource): void {
  describe('policies', () => {
    test('are written, read, listed and deleted', async () => {
      const vault = client()
      const name = unique('policy')
      await vault.refused(['GET', `sys/policies/acl/${name}`], 404)
      await vault.done('PUT', `sys/policies/acl/${name}`, { policy: READ })
      const shown = { name, policy: READ, cas_required: false, version: 1 }
      expect(await vault.data('GET', `sys/policies/acl/${name}`)).toMatchObject(shown)
      expect(await vault.data('GET', `sys/policy/${name}`)).toMatchObject({ name, rules: READ })
      const { keys } = await vault.data('GET', 'sys/policies/acl?list=true')
      expect(keys).toContain(name)
      expect(keys.at(-1)).toBe('root')
      await vault.done('DELETE', `sys/policies/acl/${name}`)
      await vault.done('DELETE', `sys/policies/acl/${name}`)
      await vault.refused(['GET', `sys/policies/acl/${name}`], 404)
    })

    test('have lower-case names and may come in base64', async () => {
      const vault = client()
      const name = unique('policy')
      const path = `sys/policies/acl/${name.toUpperCase()}`
      const { body } = await vault.call('PUT', path, { policy: b64(READ) })
      expect(body.warnings).toEqual([`policy name was converted to ${name}`])
      expect(await vault.data('GET', path)).toMatchObject({ name, policy: READ })
    })

    test.each([
      ['path "x" { capabilities = ["frob"] }', 'path "x": invalid capability "frob"'],
      ['path "x" {', 'At 1:12: object expected closing RBRACE got: EOF'],
      ['path "x" { capabilities = ["read" }', 'At 1:36: object expected closing RBRACE got: EOF'],
      ['foo "x" { }', '1 error occurred:\n\t* invalid key "foo" on line 0\n\n'],
      [
        'path "x" { frob = 1 }',
        '1 error occurred:\n\t* path "x": invalid key "frob" on line 1\n\n',
      ],
      [
        'path "x/+*" { capabilities = ["read"] }',
        `path "x/+*": invalid use of wildcards ('+*' is forbidden)`,
      ],
      [
        'path "x" { capabilities="read" }',
        'path "x": At 1:25: unknown slice type: *ast.LiteralType',
      ],
      ['path "x" { policy = "wat" }', 'path "x": invalid policy "wat"'],
    ])('refuses %j', async (policy, reason) => {
      const error = `failed to parse policy: ${reason}`
      await client().refused(['PUT', `sys/policies/acl/${unique('bad')}`, { policy }], 400, error)
    })

    test('refuses an empty policy and changes to the built-in ones', async () => {
      const vault = client()
      const empty = "'policy' parameter not supplied or empty"
      await vault.refused(['PUT', 'sys/policies/acl/app', { policy: '' }], 400, empty)
      await vault.refused(['PUT', 'sys/policies/acl/app', {}], 400, empty)
      const update = 'cannot update "root" policy'
      await vault.refused(['PUT', 'sys/policies/acl/root', { policy: READ }], 400, update)
      await vault.refused(['DELETE', 'sys/policies/acl/root'], 400, 'cannot delete "root" policy')
      const fixed = 'cannot delete default policy'
      await vault.refused(['DELETE', 'sys/policies/acl/default'], 400, fixed)
    })

    const rules = `
      # A comment, and below one path of each kind.
      path "secret/*" { capabilities = ["read", "list"] }
      path "secret/+/deep" { capabilities = ["update"] }
      path "secret/team/+" { capabilities = ["delete"] }
      path "secret/team/a*" { capabilities = ["create"] }
      path "secret/team/exact" { capabilities = ["deny", "read"] }
      path "/leading" { policy = "read" }
      path "twice" { capabilities = ["read"] }
      path "twice" { capabilities = ["update", "sudo"] }
      path "closed" { capabilities = ["read"] }
      path "closed" { capabilities = ["deny"] }
      path "sys/capabilities-self" { capabilities = ["update"] }`

    test.each([
      ['nowhere', ['deny']],
      ['secret/a', ['list', 'read']],
      ['secret', ['deny']],
      ['secret/x/deep', ['update']],
      ['secret/x/deeper', ['list', 'read']],
      ['secret/team/z', ['delete']],
      ['secret/team/abc', ['create']],
      ['secret/team/deep', ['delete']],
      ['secret/team/exact', ['deny']],
      ['secret/team/z/deeper', ['list', 'read']],
      ['leading', ['list', 'read']],
      ['twice', ['read', 'sudo', 'update']],
      ['closed', ['deny']],
    ])('grant on %s %j: the most specific path decides', async (path, expected) => {
      const vault = client()
      const token = await vault.tokenWith(rules)
      const data = await vault.data('POST', 'sys/capabilities-self', { paths: [path] }, token)
      expect(data).toEqual({ [path]: expected, capabilities: expected })
    })

    test('tell their capabilities to those who may ask', async () => {
      const vault = client()
      const token = await vault.tokenWith(READ)
      await vault.refused(['POST', 'sys/capabilities-self', { paths: ['x'] }, token], 403, DENIED)
      await vault.refused(['POST', 'sys/capabilities-self', {}], 400, 'paths must be supplied')
      const root = await vault.data('POST', 'sys/capabilities-self', { paths: ['x', 'y'] })
      expect(root).toEqual({ x: ['root'], y: ['root'] })
      const other = await vault.data('POST', 'sys/capabilities', { token, paths: ['x'] })
      expect(other).toEqual({ x: ['read'], capabilities: ['read'] })
    })

    test('deny before anything is said about what exists', async () => {
      const vault = client()
      const token = await vault.tokenWith(READ)
      await vault.refused(['GET', 'no-such-mount/x', undefined, token], 403, DENIED)
      await vault.refused(['GET', 'sys/mounts', undefined, token], 403, DENIED)
    })

    test('limit parameters and their values', async () => {
      const vault = client()
      const mount = await vault.transit()
      await vault.data('POST', `${mount}/keys/app`)
      const token = await vault.tokenWith(`path "${mount}/encrypt/app" {
        capabilities = ["update"]
        required_parameters = ["plaintext"]
        allowed_parameters = { "plaintext" = [], "context" = ["${b64('one')}", "prefix*"] }
      }`)
      const status = async (body: object): Promise<number> =>
        (await vault.call('POST', `${mount}/encrypt/app`, body, token)).status
      const plaintext = b64('text')
      expect(await status({ plaintext })).toBe(200)
      expect(await status({ plaintext, context: b64('one') })).toBe(200)
      expect(await status({ plaintext, context: 'prefixed' })).toBe(200)
      expect(await status({ plaintext, context: b64('two') })).toBe(403)
      expect(await status({ plaintext, key_version: 1 })).toBe(403)
      expect(await status({ context: b64('one') })).toBe(403)
      expect(await status({})).toBe(403)
      expect(await status({ batch_input: [{ plaintext }] })).toBe(403)
    })

    test('deny parameters by name and value, and compare no numbers', async () => {
      const vault = client()
      const mount = await vault.transit()
      await vault.data('POST', `${mount}/keys/app`)
      const token = await vault.tokenWith(`path "${mount}/keys/app/config" {
        capabilities = ["update"]
        allowed_parameters = { "*" = [], "min_encryption_version" = [1], "exportable" = [true] }
        denied_parameters = { "deletion_allowed" = [], "auto_rotate_period" = ["24h"] }
      }`)
      const status = async (body: object): Promise<number> =>
        (await vault.call('POST', `${mount}/keys/app/config`, body, token)).status
      expect(await status({ min_decryption_version: 1 })).toBe(200)
      expect(await status({ auto_rotate_period: '48h' })).toBe(200)
      expect(await status({ auto_rotate_period: '24h' })).toBe(403)
      expect(await status({ deletion_allowed: true })).toBe(403)
      expect(await status({ exportable: true })).toBe(200)
      expect(await status({ exportable: false })).toBe(403)
      expect(await status({ min_encryption_version: 1 })).toBe(403)
    })

    test('tell lists from reads', async () => {
      const vault = client()
      const mount = await vault.transit()
      await vault.data('POST', `${mount}/keys/app`)
      const below = await vault.tokenWith(`path "${mount}/keys/*" { capabilities = ["list"] }`)
      const exact = await vault.tokenWith(`path "${mount}/keys" { capabilities = ["list"] }`)
      for (const token of [below, exact]) {
        expect(await vault.data('LIST', `${mount}/keys`, undefined, token)).toEqual({
          keys: ['app'],
        })
      }
      await vault.refused(['GET', `${mount}/keys/app`, undefined, below], 403, DENIED)
    })
  })
}
