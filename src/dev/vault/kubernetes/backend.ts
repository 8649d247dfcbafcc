/** The Kubernetes auth method. https://openbao.org/api-docs/auth/kubernetes/ */
import { fault, refusal } from '../core/failure.ts'
import type { Fields } from '../core/fields.ts'
import type { Backend, Grant, Reply, World } from '../core/operation.ts'
import { backendOf, type PathSpec } from '../core/paths.ts'
import { rolePaths, type RoleKind } from '../core/roles.ts'
import { readJwt, type ServiceAccountClaims } from './jwt.ts'
import { checkBinding, describeRole, readRole, ROLE_FIELDS, type KubernetesRole } from './role.ts'
import { reviewToken, type SendToKubernetes } from './token-review.ts'

interface Config {
  readonly host: string
  readonly caCert: string
  readonly reviewerJwt: string
  readonly disableLocalCa: boolean
}

const ROLES: RoleKind<KubernetesRole> = {
  fields: ROLE_FIELDS,
  read: readRole,
  describe: describeRole,
}

interface State {
  readonly roles: Map<string, KubernetesRole>
  config: Config | undefined
  readonly clock: World['clock']
  readonly send: SendToKubernetes
}

/** An auth method without configuration; `send` reaches the API server for TokenReview. */
export function createKubernetesBackend({ clock }: World, send: SendToKubernetes): Backend {
  const state: State = { roles: new Map(), config: undefined, clock, send }
  return backendOf([...configPaths(state), ...rolePaths(state.roles, ROLES), loginPath(state)], {
    isLogin: (path) => path === 'login',
    paramsOf: ({ metadata }) => {
      const name = metadata?.['role'] ?? ''
      const role = state.roles.get(name.toLowerCase())
      if (!role) throw fault(`role ${name} does not exist during renewal`)
      return role.params
    },
  })
}

function configPaths(state: State): readonly PathSpec[] {
  return [
    {
      pattern: 'config',
      fields: {
        kubernetes_host: 'string',
        kubernetes_ca_cert: 'string',
        token_reviewer_jwt: 'string',
        pem_keys: 'list',
        issuer: 'string',
        disable_iss_validation: 'bool',
        disable_local_ca_jwt: 'bool',
      },
      on: {
        read: () => state.config && describeConfig(state.config),
        update: ({ fields }) => {
          state.config = readConfig(fields)
          return undefined
        },
      },
    },
  ]
}

function readConfig(fields: Fields): Config {
  const config: Config = {
    host: fields.string('kubernetes_host'),
    caCert: fields.string('kubernetes_ca_cert'),
    reviewerJwt: fields.string('token_reviewer_jwt'),
    disableLocalCa: fields.bool('disable_local_ca_jwt'),
  }
  if (config.host === '') throw refusal('no host provided')
  if (config.caCert === '') {
    throw refusal(
      config.disableLocalCa
        ? 'kubernetes_ca_cert must be given when disable_local_ca_jwt is true'
        : 'open /var/run/secrets/kubernetes.io/serviceaccount/ca.crt: no such file or directory',
    )
  }
  if (fields.list('pem_keys').length > 0) {
    throw refusal('pem_keys: the embedded Vault proves tokens by TokenReview alone')
  }
  return config
}

function describeConfig(config: Config): Reply {
  return {
    data: {
      disable_iss_validation: true,
      disable_local_ca_jwt: config.disableLocalCa,
      issuer: '',
      kubernetes_ca_cert: config.caCert,
      kubernetes_host: config.host,
      pem_keys: [],
      token_reviewer_jwt_set: config.reviewerJwt !== '',
    },
  }
}

function loginPath(state: State): PathSpec {
  return {
    pattern: 'login',
    fields: { role: 'string', jwt: 'string' },
    on: {
      update: async ({ fields }) => {
        const roleName = required(fields, 'role')
        const jwt = required(fields, 'jwt')
        const role = state.roles.get(roleName.toLowerCase())
        if (!role) throw refusal(`invalid role name ${JSON.stringify(roleName)}`)
        if (!state.config) throw fault('could not load backend configuration')
        const account = readJwt(jwt, role.audience, state.clock())
        checkBinding(role, account)
        if (account.uid === '') throw fault('could not parse UID from claims')
        await reviewToken(state.send, state.config, account, role.audience)
        return { grant: grantOf(roleName, role, account) }
      },
    },
  }
}

function required(fields: Fields, name: string): string {
  const value = fields.string(name)
  if (value === '') throw refusal(`missing ${name}`)
  return value
}

function grantOf(
  role: string,
  { aliasNameSource, params }: KubernetesRole,
  account: ServiceAccountClaims,
): Grant {
  const { name, namespace, uid } = account
  return {
    displayName: `${namespace}-${name}`,
    alias: aliasNameSource === 'serviceaccount_name' ? `${namespace}/${name}` : uid,
    metadata: {
      role,
      service_account_name: name,
      service_account_namespace: namespace,
      service_account_secret_name: '',
      service_account_uid: uid,
    },
    params,
  }
}
