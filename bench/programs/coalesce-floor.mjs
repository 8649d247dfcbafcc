/**
 * The floor of coalesce.mjs: one decrypt each, on node:https with kept connections, and nothing else.
 *
 * coalesce-floor.mjs JOB CIPHERTEXTS WORKERS: as coalesce.mjs; each worker has a connection.
 */
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { rounds } from './coalesce-rounds.mjs'

const [, , jobFile, ciphertextsFile, workers] = process.argv
const job = JSON.parse(readFileSync(jobFile, 'utf8'))
const { hostname, port } = new URL(job.config.vault_url)
const agent = new https.Agent({
  keepAlive: true,
  maxSockets: Number(workers),
  ca: readFileSync(job.vaultCa),
})
const login = { role: job.config.role, jwt: readFileSync(job.mounted.tokenFile, 'utf8') }
let token
await rounds({
  ciphertextsFile,
  workers: Number(workers),
  logIn: async () => {
    token ??= (await ask('/v1/auth/kubernetes/login', login)).auth.client_token
  },
  open: async (ciphertext) => {
    const { data } = await ask(`/v1/transit/decrypt/${job.definition.transit_key}`, { ciphertext })
    return Buffer.from(data.plaintext, 'base64').toString()
  },
})
agent.destroy()

function ask(path, body) {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      ...(token !== undefined && { 'x-vault-token': token }),
    }
    const options = { method: 'POST', hostname, port, path, agent, headers }
    const request = https.request(options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text))
        else reject(new Error(`${path}: ${response.statusCode} ${text}`))
      })
    })
    request.on('error', reject)
    request.end(JSON.stringify(body))
  })
}
