import { describe, expect, test } from 'vitest'
import { DENIED, unique, type ClientSource } from './vault-under-test.ts'

/** Mounts, auth methods, routes and the form of answers. */
export function systemSuite(client: ClientSource): void {
  describe('system', () => {
    test('tells its health without a token', async () => {
      const { status, body, headers } = await client().call('GET', 'sys/health', undefined, null)
      expect({ status, body }).toMatchObject({
        status: 200,
        body: { initialized: true, sealed: false, standby: false, performance_standby: false },
      })
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'cache-control': 'no-store',
      })
    })

    test('gives the health codes that it is asked for', async () => {
      const path = 'sys/health?activecode=222&sealedcode=299'
      expect((await client().call('GET', path, undefined, null)).status).toBe(222)
    })

    test('gives every answer an envelope with a request id', async () => {
      const { body } = await client().call('LIST', 'sys/policies/acl')
      expect(body).toMatchObject({
        lease_id: '',
        renewable: false,
        lease_duration: 0,
        data: { keys: expect.arrayContaining(['default', 'root']) },
        wrap_info: null,
        warnings: null,
        auth: null,
      })
      expect(body.request_id).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    })

    test.each(['sys/health', 'no-such-mount'])(
      'tells the time in an answer to %s',
      async (path) => {
        const { headers } = await client().call('GET', path)
        const told = Date.parse(headers['date'] ?? '')
        expect(Math.abs(client().world.now() - told)).toBeLessThan(10_000)
      },
    )

    test('gives errors no request id', async () => {
      const { body } = await client().call('GET', 'sys/policies/acl/no-such-policy')
      expect(body).toEqual({ errors: [] })
    })

    test.each(['mounts', 'auth'])('enables, shows and disables under sys/%s', async (kind) => {
      const vault = client()
      const name = unique('mount')
      const type = kind === 'auth' ? 'kubernetes' : 'transit'
      const taken = `path is already in use at ${name}/`
      await vault.done('POST', `sys/${kind}/${name}`, { type, description: 'of a test' })
      await vault.refused(['POST', `sys/${kind}/${name}`, { type }], 400, taken)
      await vault.refused(['POST', `sys/${kind}/${name}/below`, { type }], 400, taken)
      const shown = { type, description: 'of a test', deprecation_status: 'supported' }
      expect(await vault.data('GET', `sys/${kind}/${name}`)).toMatchObject(shown)
      const { body } = await vault.call('GET', `sys/${kind}`)
      // In the data, and for the oldest clients also beside it.
      expect(body.data[`${name}/`]).toMatchObject(shown)
      expect(body[`${name}/`]).toEqual(body.data[`${name}/`])
      await vault.done('DELETE', `sys/${kind}/${name}`)
      await vault.done('DELETE', `sys/${kind}/${name}`)
    })

    test.each([
      ['POST', 'sys/mounts/new', { type: 'nope' }, 'plugin not found in the catalog: nope'],
      ['POST', 'sys/mounts/new', {}, 'backend type must be specified as a string'],
      ['POST', 'sys/auth/new', { type: 'nope' }, 'plugin not found in the catalog: nope'],
      ['POST', 'sys/auth/new', {}, 'backend type must be specified as a string'],
      ['POST', 'sys/mounts/sys', { type: 'transit' }, 'cannot mount "sys/"'],
      ['POST', 'sys/mounts/auth/x', { type: 'transit' }, 'cannot mount "auth/x/"'],
      ['DELETE', 'sys/mounts/sys', undefined, 'cannot unmount "sys/"'],
      ['DELETE', 'sys/auth/token', undefined, 'token credential backend cannot be disabled'],
      ['GET', 'sys/mounts/nope', undefined, 'No secret engine mount at nope/'],
      ['GET', 'sys/auth/nope', undefined, 'No auth engine at nope/'],
    ])('refuses %s %s with %j', async (method, path, body, error) => {
      await client().refused([method, path, body], 400, error)
    })

    test('forgets what a disabled mount held', async () => {
      const vault = client()
      const mount = await vault.transit()
      await vault.data('POST', `${mount}/keys/app`)
      await vault.done('DELETE', `sys/mounts/${mount}`)
      const path = `${mount}/keys/app`
      await vault.refused(
        ['GET', path],
        404,
        `no handler for route "${path}". route entry not found.`,
      )
      await vault.done('POST', `sys/mounts/${mount}`, { type: 'transit' })
      await vault.refused(['GET', path], 404)
    })

    test('answers paths and methods that nothing handles', async () => {
      const vault = client()
      const mount = await vault.transit()
      const wrapped = (message: string): string => `1 error occurred:\n\t* ${message}\n\n`
      const route = 'no handler for route "nothing". route entry not found.'
      await vault.refused(['GET', 'nothing'], 404, route)
      await vault.refused(['GET', `${mount}/nope`], 404, wrapped('unsupported path'))
      await vault.refused(['GET', `${mount}/decrypt/app`], 405, wrapped('unsupported operation'))
      await vault.refused(['DELETE', `${mount}/decrypt/app`], 405, wrapped('unsupported operation'))
      const slash = "cannot write to a path ending in '/'"
      await vault.refused(['POST', `${mount}/keys/`], 400, slash)
    })

    test.each(['{bad', '[]', '"text"'])('refuses the body %s', async (body) => {
      await client().refused(['POST', 'sys/mounts/new', body], 400, 'error parsing JSON')
    })

    test('refuses a patch that does not say that it is one', async () => {
      const error =
        'PATCH requires Content-Type of application/merge-patch+json, provided application/json'
      await client().refused(['PATCH', 'sys/mounts/new', {}], 415, error)
    })

    test('knows no namespaces', async () => {
      const { wire, rootToken } = client().world
      const ask = async (path: string): Promise<object> => {
        const headers = { 'x-vault-namespace': 'team-a/' }
        const { status, body } = await wire('GET', `/v1/${path}`, { token: rootToken, headers })
        return { status, errors: body.errors }
      }
      expect(await ask('sys/mounts')).toEqual({ status: 404, errors: ['namespace not found'] })
      const unavailable = { status: 400, errors: ['operation unavailable in namespaces'] }
      expect(await ask('sys/health')).toEqual(unavailable)
      expect(await ask('sys/init')).toEqual(unavailable)
      expect(await ask('sys/seal-status')).toMatchObject({ status: 200 })
    })

    test('takes the token also as a bearer', async () => {
      const { wire, rootToken } = client().world
      const headers = { authorization: `Bearer ${rootToken}` }
      expect((await wire('GET', '/v1/sys/mounts', { headers })).status).toBe(200)
    })

    test('needs sudo to enable an auth method, not to enable an engine', async () => {
      const vault = client()
      const policy = (more: string): string =>
        `path "sys/mounts/*" { capabilities = ["update"] }
         path "sys/auth/*" { capabilities = ["create", "update"${more}] }`
      const plain = await vault.tokenWith(policy(''))
      const sudo = await vault.tokenWith(policy(', "sudo"'))
      const [mount, method] = [unique('mount'), unique('method')]
      await vault.done('POST', `sys/mounts/${mount}`, { type: 'transit' }, plain)
      await vault.refused(
        ['POST', `sys/auth/${method}`, { type: 'kubernetes' }, plain],
        403,
        DENIED,
      )
      await vault.done('POST', `sys/auth/${method}`, { type: 'kubernetes' }, sudo)
    })

    test('keeps the names of headers that are to be audited', async () => {
      const vault = client()
      const name = unique('X-Header')
      const path = `sys/config/auditing/request-headers/${name}`
      await vault.refused(['GET', path], 400, 'Could not find header in config')
      await vault.done('PUT', path, { hmac: true })
      expect(await vault.data('GET', path)).toEqual({ [name]: { hmac: true } })
      const { headers } = await vault.data('GET', 'sys/config/auditing/request-headers')
      expect(headers).toMatchObject({ [name.toLowerCase()]: { hmac: true } })
      await vault.done('DELETE', path)
      await vault.refused(['GET', path], 400, 'Could not find header in config')
      const plain = await vault.tokenWith(
        'path "sys/config/auditing/*" { capabilities = ["update"] }',
      )
      await vault.refused(['PUT', path, {}, plain], 403, DENIED)
    })

    test('knows no leases', async () => {
      const vault = client()
      const body = { lease_id: 'nope' }
      await vault.refused(['PUT', 'sys/leases/lookup', body], 400, 'invalid lease')
      await vault.refused(['PUT', 'sys/leases/renew', body], 400, 'lease not found')
      await vault.done('PUT', 'sys/leases/revoke', body)
    })
  })
}
