/**
 * A service that meets faults, with node-vault: login and token renewal as it offers them.
 *
 * faults.mjs JOB PLAN SERVICE: as ../programs/faults-ours.mjs. Run from a directory that has the package.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import vault from 'node-vault'

const [, , jobFile, plan, serviceFile] = process.argv
const { config, definition, mounted, vaultCa } = JSON.parse(readFileSync(jobFile, 'utf8'))
const { ciphertext, ...times } = JSON.parse(plan)
const { serve } = await import(pathToFileURL(serviceFile).href)
const client = vault({
  endpoint: config.vault_url,
  requestOptions: { agentOptions: { ca: readFileSync(vaultCa), keepAlive: true } },
})
client.on('token:error:renew', () => undefined)
await serve({
  logIn: async () => {
    const jwt = readFileSync(mounted.tokenFile, 'utf8')
    const { auth } = await client.kubernetesLogin({
      mount_point: 'kubernetes',
      role: config.role,
      jwt,
    })
    client.token = auth.client_token
    await client.startTokenRenewal({ ttl: auth.lease_duration })
  },
  use: () => client.write(`transit/decrypt/${definition.transit_key}`, { ciphertext }),
  ...times,
})
client.stopAllRenewals()
// A renewal that is under way would schedule the next all the same.
process.exit()
