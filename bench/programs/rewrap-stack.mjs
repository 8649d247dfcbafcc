/**
 * Embedded Vault and Kubernetes on loopback, with sealed documents in one namespace and a key that was
 * rotated since. Needs tsx, and the sources beside it.
 *
 * rewrap-stack.mjs DOCUMENTS: prints a line of JSON that says where all is, and ends with its stdin.
 */
import { requestToken } from '../../src/dev/operator.ts'
import { nativePlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { serve } from '../../src/dev/serve.ts'
import { createStack } from '../../src/dev/stack.ts'
import { documentFor, policyFor, rulesFor, sealedText } from '../rewrap-documents.ts'

const count = Number(process.argv[2])
const stack = createStack()
const [namespace, key] = ['rewrap', 'rewrap']
const plan = nativePlan(stack.servers, {
  namespace,
  transitKey: key,
  policy: policyFor(key),
  rules: rulesFor(),
})
await provisionKubevault(stack.vaultWire, stack.kubernetesWire, plan)
const vault = await serve((request) => stack.vault.handle(request))
const kubernetes = await serve((request) => stack.kubernetes.handle(request))
for (let at = 0; at < count; at += 200) await store(at, Math.min(200, count - at))
await call(stack.vaultWire, plan.rootToken, `/v1/transit/keys/${key}/rotate`, {})

const app = { adminToken: plan.adminToken, namespace, serviceAccount: plan.serviceAccount }
const jwt = await requestToken(stack.kubernetesWire, { ...app, audiences: ['vault'] })
const token = await requestToken(stack.kubernetesWire, app)
const [vaultUrl, kubernetesUrl] = [vault.url, kubernetes.url]
console.log(
  JSON.stringify({ vaultUrl, kubernetesUrl, namespace, key, role: plan.role, jwt, token }),
)
process.stdin.resume().once('end', () => process.exit(0))

async function store(from, length) {
  const documents = Array.from({ length }, (_none, at) => documentFor(namespace, from + at, 200))
  const batch_input = documents.map(({ plaintext, context }) => ({ plaintext, context }))
  const answer = await call(stack.vaultWire, plan.rootToken, `/v1/transit/encrypt/${key}`, {
    batch_input,
  })
  for (const [at, { ciphertext }] of answer.data.batch_results.entries()) {
    const { name, dataKey, revision } = documents[at]
    const text = sealedText(key, revision, ciphertext)
    await call(stack.kubernetesWire, plan.adminToken, `/api/v1/namespaces/${namespace}/secrets`, {
      metadata: { name },
      data: { [dataKey]: Buffer.from(text).toString('base64') },
    })
  }
}

async function call(wire, bearer, path, body) {
  const answer = await wire('POST', path, { token: bearer, body })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status}`)
  return answer.body
}
