import { beforeAll, describe, expect, test } from 'vitest'
import { configureKubernetes, writeRole } from './vault-kubernetes-fixture.ts'
import { unique, type ClientSource } from './vault-under-test.ts'

/** Configuration and roles of the Kubernetes auth method. */
export function kubernetesRoleSuite(client: ClientSource): void {
  describe('kubernetes auth', () => {
    const method = unique('kubernetes')
    beforeAll(() => configureKubernetes(client(), method))

    test('shows its configuration without the reviewer token', async () => {
      const { host, caPem } = client().world.kubernetes
      expect(await client().data('GET', `auth/${method}/config`)).toEqual({
        disable_iss_validation: true,
        disable_local_ca_jwt: true,
        issuer: '',
        kubernetes_ca_cert: caPem,
        kubernetes_host: host,
        pem_keys: [],
        token_reviewer_jwt_set: true,
      })
    })

    test.each([
      [{}, 'no host provided'],
      [
        { kubernetes_host: 'https://127.0.0.1', disable_local_ca_jwt: true },
        'kubernetes_ca_cert must be given when disable_local_ca_jwt is true',
      ],
      [
        { kubernetes_host: 'https://127.0.0.1' },
        'open /var/run/secrets/kubernetes.io/serviceaccount/ca.crt: no such file or directory',
      ],
    ])('refuses the configuration %j', async (body, error) => {
      const vault = client()
      const other = unique('kubernetes')
      await vault.done('POST', `sys/auth/${other}`, { type: 'kubernetes' })
      await vault.refused(['GET', `auth/${other}/config`], 404)
      await vault.refused(['POST', `auth/${other}/config`, body], 400, error)
    })

    const bound = { bound_service_account_names: 'web', bound_service_account_namespaces: 'app' }
    test.each([
      [{}, '"bound_service_account_names" can not be empty'],
      [
        { bound_service_account_names: ['web'] },
        '"bound_service_account_namespaces" can not be empty if ' +
          '"bound_service_account_namespace_selector" is not set',
      ],
      [{ ...bound, bound_service_account_names: ['web', '*'] }, 'can not mix "*" with values'],
      [{ ...bound, bound_service_account_namespaces: 'a,*' }, 'can not mix "*" with values'],
      [
        { ...bound, token_ttl: '10m', token_max_ttl: '1m' },
        "'token_ttl' cannot be greater than 'token_max_ttl'",
      ],
      [
        { ...bound, token_ttl: 'zz' },
        'error converting input for field "token_ttl": time: invalid duration "zz"',
      ],
      [{ ...bound, token_type: 'zz' }, `invalid 'token_type' value "zz"`],
      [
        { ...bound, token_type: 'batch', token_num_uses: 3 },
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with " +
          'limited use count',
      ],
      [
        { ...bound, alias_name_source: 'zz' },
        'invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name',
      ],
    ])('refuses the role %j', async (settings, error) => {
      const path = `auth/${method}/role/${unique('role')}`
      await client().refused(['POST', path, settings], 400, error)
      await client().refused(['GET', path], 404)
    })

    test('keeps roles by lower-case name, under new and old field names', async () => {
      const vault = client()
      const name = await writeRole(vault, method, {
        token_ttl: undefined,
        token_max_ttl: undefined,
        ttl: 60,
        policies: 'b,a',
      })
      const path = `auth/${method}/role/${name}`
      expect(await vault.data('GET', path)).toMatchObject({
        bound_service_account_names: ['web'],
        audience: 'vault',
        alias_name_source: 'serviceaccount_uid',
        token_policies: ['app'],
        policies: ['app'],
        token_ttl: 60,
        ttl: 60,
        token_type: 'default',
        token_no_default_policy: false,
      })
      const upper = `auth/${method}/role/${name.toUpperCase()}`
      await vault.done('POST', upper, { audience: 'else' })
      expect(await vault.data('GET', path)).toMatchObject({ audience: 'else', token_ttl: 60 })
      expect((await vault.data('LIST', `auth/${method}/role`)).keys).toContain(name)
      await vault.done('DELETE', path)
      await vault.done('DELETE', path)
      await vault.refused(['GET', path], 404)
    })
  })
}
