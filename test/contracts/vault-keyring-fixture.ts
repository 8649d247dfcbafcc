/** Our own keyring against the Vault of a contract, real or embedded. */
import type { HttpRequest, HttpResponse, Transport } from '../../src/runtime.ts'
import { rotatorOn, type Rotator } from '../vault/keyring-world.ts'
import type { VaultClient } from './vault-under-test.ts'

/** A keyring with this token. */
export interface WireRotator extends Rotator {
  /** Paths of the requests so far, below `/v1/`. */
  readonly sent: readonly string[]
}

/** A keyring on one mount; by default with the root token. */
export function rotatorOf({ world }: VaultClient, mount: string, token?: string): WireRotator {
  const sent: string[] = []
  const send = async ({ method, url, headers, body }: HttpRequest): Promise<HttpResponse> => {
    const { pathname } = new URL(url)
    sent.push(pathname.slice('/v1/'.length))
    const answer = await world.wire(method, pathname, { headers, body })
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
    return { ...answer, body: new TextEncoder().encode(text) }
  }
  const transport = (): Transport => ({ send, connect: () => undefined, close: () => undefined })
  return { ...rotatorOn(transport, mount, token ?? world.rootToken), sent }
}
