import { createPublicKey, type KeyObject } from 'node:crypto'
import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply } from '../core/operation.ts'
import { ALGORITHMS } from './signature.ts'

/** Whose tokens are taken. */
export interface JwtConfig {
  readonly pems: readonly string[]
  readonly keys: readonly KeyObject[]
  /** Empty: of any issuer. */
  readonly boundIssuer: string
  /** Empty: all that Vault knows. */
  readonly algorithms: readonly string[]
  readonly defaultRole: string
}

/** Fields of the configuration. */
export const CONFIG_FIELDS: Schema = {
  bound_issuer: 'string',
  default_role: 'string',
  jwks_ca_pem: 'string',
  jwks_url: 'string',
  jwt_supported_algs: 'list',
  jwt_validation_pubkeys: 'list',
  oidc_discovery_ca_pem: 'string',
  oidc_discovery_url: 'string',
}

/** Reads a configuration, which replaces the one before. @throws VaultFailure in Vault's words */
export function readConfig(fields: Fields): JwtConfig {
  const pems = fields.list('jwt_validation_pubkeys')
  const urls = ['jwks_url', 'oidc_discovery_url'].filter((name) => fields.string(name) !== '')
  if (urls.length + Math.min(pems.length, 1) !== 1) {
    throw refusal(
      "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
    )
  }
  if (pems.length === 0) {
    throw refusal(`${urls[0]}: the embedded Vault fetches no keys, give it jwt_validation_pubkeys`)
  }
  const algorithms = fields.list('jwt_supported_algs')
  const keys = pems.map(parseKey)
  const unknown = algorithms.find((name) => !ALGORITHMS.has(name))
  if (unknown !== undefined) {
    const name = JSON.stringify(unknown)
    throw refusal(`invalid jwt_supported_algs: unsupported signing algorithm ${name}`)
  }
  const boundIssuer = fields.string('bound_issuer')
  const defaultRole = fields.string('default_role').toLowerCase()
  return { pems, keys, boundIssuer, algorithms, defaultRole }
}

function parseKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw refusal('error parsing public key: data does not contain any valid public keys')
  }
}

/** A configuration as it reads. */
export function describeConfig(config: JwtConfig): Reply {
  return {
    data: {
      bound_issuer: config.boundIssuer,
      default_role: config.defaultRole,
      jwks_ca_pem: '',
      jwks_url: '',
      jwt_supported_algs: config.algorithms,
      jwt_validation_pubkeys: config.pems,
      namespace_in_state: true,
      oidc_client_id: '',
      oidc_discovery_ca_pem: '',
      oidc_discovery_url: '',
      oidc_response_mode: '',
      oidc_response_types: [],
      override_allowed_server_names: [],
      provider_config: {},
      status: 'valid',
    },
  }
}
