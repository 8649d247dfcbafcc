/**
 * The floor: the calls of a cold read on node:https, and nothing else. No retries, no time limits, no
 * checks, no errors worth reading. Each server gets one connection, opened before its first request
 * is known; the Secret is read on the connection that brought the JWT, while Vault checks it, which
 * takes as many round trips as two connections and one handshake less.
 *
 * floor.mjs JOB: the path of a Job of bench/job.ts.
 */
import { readFileSync } from 'node:fs'
import https from 'node:https'
import tls from 'node:tls'

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { config, definition } = job
const ask = { vault: connectTo(config.vault_url, job.vaultCa), kubernetes: undefined }
const { jwt, ciphertext } = job.mounted ? fromFiles() : fromKubernetes()

await read()
if (job.again) {
  // The token has expired by then, the connections are open.
  await new Promise((resolve) => setTimeout(resolve, job.again.afterMs))
  const start = performance.now()
  await read()
  console.log(performance.now() - start)
}

async function read() {
  const login = { role: config.role, jwt: await jwt() }
  const [{ auth }, text] = await Promise.all([
    ask.vault('POST', '/v1/auth/kubernetes/login', {}, login),
    ciphertext(),
  ])
  const path = `/v1/transit/decrypt/${definition.transit_key}`
  const token = { 'x-vault-token': auth.client_token }
  const { data } = await ask.vault('POST', path, token, { ciphertext: text })
  const secrets = JSON.parse(Buffer.from(data.plaintext, 'base64').toString())
  if (secrets.redis_url === undefined) throw new Error('the floor read something else')
}

function fromFiles() {
  return {
    jwt: () => readFileSync(job.mounted.tokenFile, 'utf8'),
    ciphertext: () =>
      readFileSync(
        `${job.mounted.directory}/${definition.secret_name}/${definition.read_key}`,
        'utf8',
      ),
  }
}

function fromKubernetes() {
  const { clusters, users } = JSON.parse(readFileSync(config.kube_config, 'utf8'))
  const { server, 'certificate-authority': ca } = clusters[0].cluster
  ask.kubernetes = connectTo(server, ca)
  const authorization = { authorization: `Bearer ${users[0].user.token}` }
  const base = `/api/v1/namespaces/${config.namespace}`
  const spec = { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 600 }
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
  const path = `${base}/serviceaccounts/${config.service_account}/token`
  let kept
  return {
    jwt: async () => {
      kept ??= (await ask.kubernetes('POST', path, authorization, body)).status.token
      return kept
    },
    ciphertext: async () => {
      const secret = `${base}/secrets/${definition.secret_name}`
      const { data } = await ask.kubernetes('GET', secret, authorization)
      return Buffer.from(data[definition.read_key], 'base64').toString()
    },
  }
}

function connectTo(origin, caFile) {
  const { hostname: host, port } = new URL(origin)
  const secureContext = tls.createSecureContext({ ca: readFileSync(caFile) })
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  const socket = tls.connect({ host, port, secureContext })
  agent.createConnection = () => socket
  return (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const json = body && { 'content-type': 'application/json' }
      const options = { method, host, port, path, agent, headers: { ...headers, ...json } }
      const request = https.request(options, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => (text += chunk))
        response.on('end', () => {
          if (response.statusCode === 200 || response.statusCode === 201) resolve(JSON.parse(text))
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
        })
      })
      request.on('error', reject)
      request.end(body && JSON.stringify(body))
    })
}
