/**
 * The floor of a rewrap: the same calls on node:https with kept connections, and nothing else. A page is
 * listed, rewrapped and written, then the next. No retries, no time limits, no checks, nobody told.
 *
 * rewrap-floor.mjs CONFIG NAMESPACE KEY: our own configuration in the native shape. Prints how many it wrote.
 */
import { readFileSync } from 'node:fs'
import https from 'node:https'

const [, , configFile, namespace, transitKey] = process.argv
const { vault, kubernetes } = JSON.parse(readFileSync(configFile, 'utf8'))
const { clusters, users } = JSON.parse(readFileSync(kubernetes.kubeconfig, 'utf8'))
const { server, 'certificate-authority': ca } = clusters[0].cluster

const PAGE = 250
/** OpenBao takes 1,000 strings of JSON, and an item has four. */
const BATCH = PAGE / 2
const AT_ONCE = 8

const askVault = client(vault.url, vault.caCert, {})
const askKubernetes = client(server, ca, { authorization: `Bearer ${users[0].user.token}` })
const secrets = `/api/v1/namespaces/${namespace}/secrets`

const login = { role: vault.auth.role, jwt: readFileSync(vault.auth.jwtFile, 'utf8') }
const { auth } = await askVault('POST', '/v1/auth/kubernetes/login', login)
const token = { 'x-vault-token': auth.client_token }
const { data: key } = await askVault('GET', `/v1/transit/keys/${transitKey}`, undefined, token)

let written = 0
let next = ''
do {
  const page = await askKubernetes('GET', `${secrets}?limit=${PAGE}${next}`)
  const documents = page.items.flatMap(documentsIn)
  for (let at = 0; at < documents.length; at += BATCH) await rewrap(documents.slice(at, at + BATCH))
  await Promise.all(Array.from({ length: AT_ONCE }, () => writeFrom(documents)))
  next = page.metadata.continue && `&continue=${encodeURIComponent(page.metadata.continue)}`
} while (next)
console.log(written)
askVault.close()
askKubernetes.close()

function documentsIn({ metadata, data }) {
  return Object.entries(data ?? {}).flatMap(([dataKey, base64]) => {
    const [word, , , name, ...rest] = Buffer.from(base64, 'base64').toString().split(':')
    if (word !== 'sealed' || name !== transitKey) return []
    const [scope, revision, ...ciphertext] = rest
    if (Number(ciphertext[1].slice(1)) >= key.latest_version) return []
    const context = contextOf([scope, 'default', 'Secret', namespace, metadata.name, dataKey])
    return [{ metadata, dataKey, scope, revision, context, ciphertext: ciphertext.join(':') }]
  })
}

function contextOf(fields) {
  const parts = fields.map((text) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(text))
    return Buffer.concat([length, Buffer.from(text)])
  })
  return Buffer.concat([Buffer.from('sm1'), ...parts]).toString('base64')
}

async function rewrap(documents) {
  const batch_input = documents.map(({ ciphertext, context }) => ({ ciphertext, context }))
  const path = `/v1/transit/rewrap/${transitKey}`
  const { data } = await askVault('POST', path, { batch_input }, token)
  data.batch_results.forEach(({ ciphertext }, at) => (documents[at].ciphertext = ciphertext))
}

async function writeFrom(documents) {
  for (let one = documents.pop(); one !== undefined; one = documents.pop()) {
    const { metadata, dataKey, scope, revision, ciphertext } = one
    const text = `sealed:v1:transit:${transitKey}:${scope}:${revision}:${ciphertext}`
    const body = {
      metadata: { resourceVersion: metadata.resourceVersion },
      data: { [dataKey]: Buffer.from(text).toString('base64') },
    }
    const merge = { 'content-type': 'application/merge-patch+json' }
    await askKubernetes('PATCH', `${secrets}/${metadata.name}`, body, merge)
    written += 1
  }
}

function client(origin, caFile, always) {
  const { hostname, port } = new URL(origin)
  const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE, ca: readFileSync(caFile) })
  const ask = (method, path, body, headers) =>
    new Promise((resolve, reject) => {
      const json = body && { 'content-type': 'application/json' }
      const options = { method, hostname, port, path, agent }
      const request = https.request(
        { ...options, headers: { ...always, ...json, ...headers } },
        (response) => {
          const chunks = []
          response.on('data', (chunk) => chunks.push(chunk))
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            if (response.statusCode === 200) resolve(JSON.parse(text))
            else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
          })
        },
      )
      request.on('error', reject)
      request.end(body && JSON.stringify(body))
    })
  return Object.assign(ask, { close: () => agent.destroy() })
}
