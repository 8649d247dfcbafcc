/**
 * Looks at all documents of a namespace each few milliseconds, and opens them all: was there an instant at which somebody
 * could not? What is looked at is the first line of stdin; with its end it ends, and prints what it saw.
 */
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

import { contextOf } from '../../../src/sealed/binding.ts'
import { parseSealed } from '../../../src/sealed/format.ts'
import { unwrapDocument } from '../../../src/sealed/plaintext.ts'
import type { Observed } from '../../contracts/rotation-concurrency.ts'
import { wireOfUrl } from '../../contracts/wire.ts'

/** What is looked at, and how. */
export interface Observation {
  readonly kubernetes: Server
  readonly vault: Server
  readonly namespace: string
  readonly dataKey: string
  readonly everyMs: number
}

interface Server {
  readonly url: string
  readonly ca: string
  readonly token: string
}

interface Item {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
  readonly data: Readonly<Record<string, string>>
}

/** Looks under way at once, when the servers are slow; more would not be seen any sooner. */
const AT_ONCE = 16

const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { value: first } = await told.next()
const { kubernetes, vault, namespace, dataKey, everyMs } = JSON.parse(first ?? '') as Observation
const toKubernetes = wireOfUrl(kubernetes.url, { ca: kubernetes.ca, keepAlive: true })
const toVault = wireOfUrl(vault.url, { ca: vault.ca, keepAlive: true })
const starts: number[] = []
const durations: number[] = []
const underWay = new Set<Promise<void>>()
let unreadable = 0
let overtaken = 0
let isOver = false

const ended = told.next().then(() => (isOver = true))
for (let next = performance.now(); !isOver; next = Math.max(next + everyMs, performance.now())) {
  await pause(next - performance.now())
  if (underWay.size >= AT_ONCE) await Promise.race(underWay)
  const looking = lookAndTime().finally(() => underWay.delete(looking))
  underWay.add(looking)
}
await Promise.all([...underWay, ended])
const intervals = starts.slice(1).map((at, nth) => at - (starts[nth] ?? 0))
const observed: Observed = {
  looks: durations.length,
  unreadable,
  overtaken,
  eachMs: quantile(intervals, 0.5),
  eachMsP99: quantile(intervals, 0.99),
  lookMs: quantile(durations, 0.5),
  lookMsP99: quantile(durations, 0.99),
}
process.stdout.write(JSON.stringify(observed))

async function lookAndTime(): Promise<void> {
  const start = performance.now()
  starts.push(start)
  await look()
  durations.push(performance.now() - start)
}

/** I2: what does not open, and stands there unchanged, was unreadable. */
async function look(): Promise<void> {
  let failed = await closed(await list())
  while (failed.length > 0) {
    const now = await list()
    const same = new Set(now.map(({ metadata }) => metadata.resourceVersion))
    const unchanged = failed.filter(({ metadata }) => same.has(metadata.resourceVersion))
    unreadable += unchanged.length
    overtaken += failed.length - unchanged.length
    const names = new Set(failed.map(({ metadata }) => metadata.name))
    for (const { metadata } of unchanged) names.delete(metadata.name)
    failed = await closed(now.filter(({ metadata }) => names.has(metadata.name)))
  }
}

async function list(): Promise<readonly Item[]> {
  const path = `/api/v1/namespaces/${namespace}/secrets`
  const { status, body } = await toKubernetes('GET', path, { token: kubernetes.token })
  if (status !== 200) throw new Error(`GET ${path}: ${status}`)
  return body.items as readonly Item[]
}

/** Those that did not open. */
async function closed(items: readonly Item[]): Promise<readonly Item[]> {
  if (items.length === 0) return []
  const documents = items.map((item) => {
    const { name } = item.metadata
    const { claims, ciphertext } = parseSealed(
      Buffer.from(item.data[dataKey] ?? '', 'base64').toString('latin1'),
      name,
    )
    const place = { kind: 'Secret', namespace, name, dataKey } as const
    const context = Buffer.from(contextOf(place, claims.scope, 'default')).toString('base64')
    return { item, claims, ciphertext, context }
  })
  const { mount, transitKey } = documents[0]?.claims ?? {}
  const batch_input = documents.map(({ ciphertext, context }) => ({ ciphertext, context }))
  const path = `/v1/${mount}/decrypt/${transitKey}`
  const { body } = await toVault('POST', path, { token: vault.token, body: { batch_input } })
  const results = (body.data?.batch_results ?? []) as readonly { readonly plaintext?: string }[]
  return documents.flatMap(({ item, claims }, at) => {
    const { plaintext } = results[at] ?? {}
    if (plaintext === undefined || plaintext === '') return [item]
    const opened = unwrapDocument(Buffer.from(plaintext, 'base64'), claims.revision, 'it')
    const { count } = JSON.parse(Buffer.from(opened).toString()) as { count: number }
    if (count !== claims.revision) throw new Error(`${item.metadata.name} holds another document`)
    return []
  })
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return Number((sorted[Math.floor(sorted.length * part)] ?? NaN).toFixed(1))
}
