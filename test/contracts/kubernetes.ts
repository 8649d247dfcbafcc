/**
 * What the Kubernetes API promises to SecretManager, as one suite for kube-apiserver and the embedded
 * one. Written from the answers of kube-apiserver 1.36.3: a difference is a fault of the embedded one.
 *
 * Each test has a namespace of its own, because without controllers a namespace never quite goes.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Wire, WireAnswer, WireOptions } from './wire.ts'

/** An API server under test. */
export interface KubernetesUnderTest {
  readonly wire: Wire
  /** Bearer token of group `system:masters`. */
  readonly adminToken: string
  /** Private key of the ServiceAccount tokens in PEM, to mint tokens that the server would not issue. */
  readonly signingKey: string
  close(): Promise<void>
}

/** What a suite is about besides the server. */
export interface KubernetesContractOptions {
  /** Whether rules are enforced; false as MicroK8s ships. Default true. */
  readonly rbac?: boolean
}

const ISSUER = 'https://kubernetes.default.svc.cluster.local'
const MERGE = { 'content-type': 'application/merge-patch+json' }
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews'
const ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
const ROLE_GROUP = 'rbac.authorization.k8s.io'

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const KEY_RULE =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

/** Declares the suite; `open` is called once. */
export function kubernetesContract(
  name: string,
  open: () => Promise<KubernetesUnderTest>,
  { rbac = true }: KubernetesContractOptions = {},
): void {
  describe(`Kubernetes API: ${name}`, () => {
    let server: KubernetesUnderTest
    beforeAll(async () => {
      server = await open()
    })
    afterAll(() => server.close())

    const admin = (
      method: string,
      path: string,
      body?: unknown,
      options?: WireOptions,
    ): Promise<WireAnswer> =>
      server.wire(method, path, { token: server.adminToken, body, ...options })
    const as =
      (token: string) =>
      (method: string, path: string, body?: unknown): Promise<WireAnswer> =>
        server.wire(method, path, { token, body })
    const patch = (path: string, body: unknown): Promise<WireAnswer> =>
      admin('PATCH', path, body, { headers: MERGE })
    const must = async (method: string, path: string, body?: unknown): Promise<WireAnswer> => {
      const answer = await admin(method, path, body)
      expect(answer, `${method} ${path}`).toMatchObject({
        status: expect.toSatisfy((code) => code < 300),
      })
      return answer
    }
    /** A new namespace and the path of what is in it. */
    const openNamespace = async (): Promise<{ ns: string; path: string; roles: string }> => {
      const ns = `c${randomBytes(5).toString('hex')}`
      await must('POST', '/api/v1/namespaces', { metadata: { name: ns } })
      return { ns, path: `/api/v1/namespaces/${ns}`, roles: `${RBAC}/namespaces/${ns}` }
    }
    const openAccount = async (
      path: string,
      account: string,
    ): Promise<{ uid: string; token: string }> => {
      const created = await must('POST', `${path}/serviceaccounts`, { metadata: { name: account } })
      const issued = await must('POST', `${path}/serviceaccounts/${account}/token`, {})
      return { uid: created.body.metadata.uid, token: issued.body.status.token }
    }
    const tokenFor = async (path: string, account: string, spec: object = {}): Promise<string> => {
      const issued = await must('POST', `${path}/serviceaccounts/${account}/token`, { spec })
      return issued.body.status.token
    }
    const review = (
      token: string,
      audiences?: readonly string[],
      reviewer = server.adminToken,
    ): Promise<WireAnswer> =>
      server.wire('POST', TOKEN_REVIEWS, { token: reviewer, body: { spec: { token, audiences } } })
    /** A ServiceAccount token signed with the server's own key. */
    const mint = (
      claims: object,
      header: object = {},
      key = createPrivateKey(server.signingKey),
    ): string => {
      const der = createPublicKey(createPrivateKey(server.signingKey)).export({
        type: 'spki',
        format: 'der',
      })
      const kid = createHash('sha256').update(der).digest('base64url')
      const encode = (part: object): string =>
        Buffer.from(JSON.stringify(part)).toString('base64url')
      const signed = `${encode({ alg: 'RS256', kid, ...header })}.${encode(claims)}`
      return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`
    }
    const claimsOf = (ns: string, account: string, uid: string): Record<string, unknown> => {
      const now = Math.floor(Date.now() / 1000)
      const subject = { namespace: ns, serviceaccount: { name: account, uid } }
      const sub = `system:serviceaccount:${ns}:${account}`
      return {
        iss: ISSUER,
        aud: ['vault'],
        sub,
        iat: now,
        nbf: now,
        exp: now + 600,
        'kubernetes.io': subject,
      }
    }
    /** Rules reach the authorizer of a real server through a watch, a few milliseconds later. */
    const eventually = async (
      ask: () => Promise<WireAnswer>,
      status: number,
    ): Promise<WireAnswer> => {
      let answer = await ask()
      for (let tries = 0; answer.status !== status && tries < 200; tries++) {
        await delay(10)
        answer = await ask()
      }
      return answer
    }

    describe('server', () => {
      test.each(['/readyz', '/livez', '/healthz'])('%s says ok in plain text', async (path) => {
        const answer = await admin('GET', path)
        expect(answer).toMatchObject({ status: 200, body: 'ok' })
        expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
      })

      test('tells its version', async () => {
        const answer = await admin('GET', '/version')
        expect(answer.body).toMatchObject({ major: '1', minor: '36', gitVersion: 'v1.36.3' })
      })

      test('publishes the issuer and the key that signs its tokens', async () => {
        const metadata = await admin('GET', '/.well-known/openid-configuration')
        expect(metadata.body).toMatchObject({
          issuer: ISSUER,
          jwks_uri: expect.stringMatching(/^https?:\/\/127\.0\.0\.1(:\d+)?\/openid\/v1\/jwks$/),
          id_token_signing_alg_values_supported: ['RS256'],
        })
        const keys = await admin('GET', '/openid/v1/jwks')
        const { n, e } = createPublicKey(createPrivateKey(server.signingKey)).export({
          format: 'jwk',
        })
        expect(keys.headers['content-type']).toBe('application/jwk-set+json')
        expect(keys.body.keys).toEqual([
          { use: 'sig', kty: 'RSA', alg: 'RS256', kid: expect.any(String), n, e },
        ])
      })

      test.each([
        ['no token', undefined],
        ['a token nobody has', 'junk'],
        ['something like a JWT', 'a.b.c'],
      ])('%s: 401 with the same words for every reason', async (_case, token) => {
        const answer = await server.wire('GET', '/version', { token })
        expect(answer).toMatchObject({
          status: 401,
          body: {
            kind: 'Status',
            apiVersion: 'v1',
            metadata: {},
            status: 'Failure',
            message: 'Unauthorized',
            reason: 'Unauthorized',
            code: 401,
          },
        })
      })

      test.each([
        ['/nope', 404, '404 page not found\n'],
        ['/apis/x.y/v1/foo', 404, '404 page not found\n'],
      ])('%s is nothing: plain text', async (path, status, body) => {
        expect(await admin('GET', path)).toMatchObject({ status, body })
      })

      test.each([
        '/api/v1/nope',
        '/api/v1/namespaces/default/nope',
        '/api/v1/namespaces/default/namespaces',
        '/api/v1/namespaces/default/secrets/a/status',
        '/api/v1/secrets/a',
        '/api/v1/namespaces/default/secrets/a%2Fb',
      ])('%s is no resource: Status without a name', async (path) => {
        const answer = await admin('GET', path)
        expect(told(answer)).toEqual([
          404,
          'NotFound',
          'the server could not find the requested resource',
        ])
        expect(answer.body.details).toEqual({})
      })

      test.each([
        ['PUT', '/api/v1/namespaces/default/secrets'],
        ['POST', '/api/v1/secrets'],
        ['DELETE', '/api/v1/secrets'],
        ['POST', '/api/v1/namespaces/default/secrets/a'],
        ['GET', '/api/v1/namespaces/default/serviceaccounts/web/token'],
        ['GET', TOKEN_REVIEWS],
      ])('%s %s is not allowed', async (method, path) => {
        const message = 'the server does not allow this method on the requested resource'
        expect(told(await admin(method, path))).toEqual([405, 'MethodNotAllowed', message])
      })
    })

    describe('namespaces', () => {
      test('a new one is active, labelled with its name, and there once', async () => {
        const { ns } = await openNamespace()
        const answer = await admin('GET', `/api/v1/namespaces/${ns}`)
        expect(answer).toMatchObject({
          status: 200,
          body: {
            kind: 'Namespace',
            apiVersion: 'v1',
            metadata: { name: ns, labels: { 'kubernetes.io/metadata.name': ns } },
            spec: { finalizers: ['kubernetes'] },
            status: { phase: 'Active' },
          },
        })
        const again = await admin('POST', '/api/v1/namespaces', { metadata: { name: ns } })
        expect(told(again)).toEqual([409, 'AlreadyExists', `namespaces "${ns}" already exists`])
      })

      test.each([
        [
          { name: 'Bad_Name' },
          `Namespace "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": ${LABEL_RULE}`,
        ],
        [
          {},
          'Namespace "" is invalid: metadata.name: Required value: name or generateName is required',
        ],
      ])('%o is no name', async (metadata, message) => {
        expect(told(await admin('POST', '/api/v1/namespaces', { metadata }))).toEqual([
          422,
          'Invalid',
          message,
        ])
      })

      test('starts with those of every cluster, and without a ServiceAccount', async () => {
        const all = await admin('GET', '/api/v1/namespaces')
        const names = all.body.items.map((one: { metadata: { name: string } }) => one.metadata.name)
        expect(names).toEqual(
          expect.arrayContaining(['default', 'kube-node-lease', 'kube-public', 'kube-system']),
        )
        // A namespace where nobody else on these servers works.
        const account = await admin('GET', '/api/v1/namespaces/kube-public/serviceaccounts/default')
        expect(told(account)).toEqual([404, 'NotFound', 'serviceaccounts "default" not found'])
      })

      test('a deleted one takes nothing new until it is finalized', async () => {
        const { ns, path } = await openNamespace()
        const deleted = await admin('DELETE', path)
        expect(deleted).toMatchObject({
          status: 200,
          body: { kind: 'Namespace', status: { phase: 'Terminating' } },
        })
        const late = await admin('POST', `${path}/secrets`, { metadata: { name: 'late' } })
        expect(told(late)).toEqual([
          403,
          'Forbidden',
          `secrets "late" is forbidden: unable to create new content in namespace ${ns} because it is being terminated`,
        ])
        expect(late.body.details.causes).toEqual([
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${ns} is being terminated`,
            field: 'metadata.namespace',
          },
        ])
        await must('PUT', `${path}/finalize`, { metadata: { name: ns }, spec: { finalizers: [] } })
        expect(told(await admin('GET', path))).toEqual([
          404,
          'NotFound',
          `namespaces "${ns}" not found`,
        ])
      })

      test('the default one may not be deleted', async () => {
        const answer = await admin('DELETE', '/api/v1/namespaces/default')
        expect(told(answer)).toEqual([
          403,
          'Forbidden',
          'namespaces "default" is forbidden: this namespace may not be deleted',
        ])
      })

      test('one that is missing: objects cannot be made, are not found, and lists are empty', async () => {
        const path = '/api/v1/namespaces/none-such/secrets'
        const created = await admin('POST', path, { metadata: { name: 'a' } })
        expect(told(created)).toEqual([404, 'NotFound', 'namespaces "none-such" not found'])
        expect(told(await admin('GET', `${path}/a`))).toEqual([
          404,
          'NotFound',
          'secrets "a" not found',
        ])
        expect(await admin('GET', path)).toMatchObject({ status: 200, body: { items: [] } })
      })
    })

    describe('secrets', () => {
      test('are created with uid, version and time, and stringData encoded over data', async () => {
        const { ns, path } = await openNamespace()
        const created = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'a', labels: { x: '1' }, annotations: { q: 'w' }, uid: 'mine' },
          data: { b: 'Yg==', a: 'YQ==' },
          stringData: { c: 'c', a: 'over' },
        })
        expect(created.status).toBe(201)
        const { managedFields: _fields, ...metadata } = created.body.metadata
        expect({ ...created.body, metadata }).toEqual({
          kind: 'Secret',
          apiVersion: 'v1',
          metadata: {
            name: 'a',
            namespace: ns,
            uid: expect.stringMatching(
              /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
            ),
            resourceVersion: expect.stringMatching(/^\d+$/),
            creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
            labels: { x: '1' },
            annotations: { q: 'w' },
          },
          data: { a: 'b3Zlcg==', b: 'Yg==', c: 'Yw==' },
          type: 'Opaque',
        })
        expect((await admin('GET', `${path}/secrets/a`)).body).toEqual(created.body)
      })

      test.each([
        ['no data at all', {}],
        ['an empty data', { data: {} }],
        ['null data', { data: null }],
      ])('%s leaves data out', async (_case, fields) => {
        const { path } = await openNamespace()
        const created = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'a' },
          ...fields,
        })
        expect(created).toMatchObject({ status: 201, body: { type: 'Opaque' } })
        expect(created.body).not.toHaveProperty('data')
      })

      test('null, line breaks and a key named __proto__ are taken as Go takes them', async () => {
        const { path } = await openNamespace()
        const body =
          '{"metadata":{"name":"a"},"data":{"n":null,"l":"Y\\nQ==\\n","__proto__":"YQ=="}}'
        const created = await admin('POST', `${path}/secrets`, body)
        expect(JSON.stringify(created.body.data)).toBe('{"__proto__":"YQ==","l":"YQ==","n":""}')
      })

      const prefix = 'Secret in version "v1" cannot be handled as a Secret: '
      const into = (field: string, type: string): string =>
        `into Go struct field ${field} of type ${type}`
      test.each([
        [{ data: { a: '!!' } }, `${prefix}illegal base64 data at input byte 0`],
        [{ data: { a: 'YQ' } }, `${prefix}illegal base64 data at input byte 0`],
        [{ data: { a: 'YWFhYQ' } }, `${prefix}illegal base64 data at input byte 4`],
        [{ data: { a: 'YWFhYQ=a' } }, `${prefix}illegal base64 data at input byte 6`],
        [{ data: { a: 'YQ==YQ==' } }, `${prefix}illegal base64 data at input byte 4`],
        [{ data: { a: 'YQ=' } }, `${prefix}illegal base64 data at input byte 3`],
        [{ data: { a: '-_-_' } }, `${prefix}illegal base64 data at input byte 0`],
        [
          { data: { a: 1 } },
          `${prefix}json: cannot unmarshal number ${into('Secret.data', '[]uint8')}`,
        ],
        [
          { data: 'x' },
          `${prefix}json: cannot unmarshal string ${into('Secret.data', 'map[string][]uint8')}`,
        ],
        [
          { data: [] },
          `${prefix}json: cannot unmarshal array ${into('Secret.data', 'map[string][]uint8')}`,
        ],
        [
          { stringData: { a: 1 } },
          `${prefix}json: cannot unmarshal number ${into('Secret.stringData', 'string')}`,
        ],
        [
          { immutable: 'x' },
          `${prefix}json: cannot unmarshal string ${into('Secret.immutable', 'bool')}`,
        ],
        [
          { type: 1 },
          `${prefix}json: cannot unmarshal number ${into('Secret.type', 'v1.SecretType')}`,
        ],
        [
          { metadata: 'x' },
          `${prefix}json: cannot unmarshal string ${into('Secret.metadata', 'v1.ObjectMeta')}`,
        ],
        [
          { metadata: { labels: { a: 1 } } },
          `${prefix}json: cannot unmarshal number ${into('ObjectMeta.metadata.labels', 'string')}`,
        ],
        [
          { kind: 'ConfigMap', apiVersion: 'v1' },
          'ConfigMap in version "v1" cannot be handled as a Secret: converting (v1.ConfigMap) to (core.Secret): unknown conversion',
        ],
        [
          { kind: 'Secret', apiVersion: 'v2' },
          'Secret in version "v2" cannot be handled as a Secret: no kind "Secret" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"',
        ],
        [
          { metadata: { name: 'a', namespace: 'other' } },
          'the namespace of the provided object does not match the namespace sent on the request',
        ],
      ])('%j: 400', async (fields, message) => {
        const answer = await admin('POST', '/api/v1/namespaces/default/secrets', {
          metadata: { name: 'a' },
          ...fields,
        })
        expect(told(answer)).toEqual([400, 'BadRequest', message])
        expect(answer.body).not.toHaveProperty('details')
      })

      test.each(['{nope', '', '[]'])('the body %j is no object: 400', async (body) => {
        const answer = await admin('POST', '/api/v1/namespaces/default/secrets', body)
        expect(told(answer)).toEqual([
          400,
          'BadRequest',
          expect.stringMatching(
            /^the object provided is unrecognized \(must be of type Secret\): couldn't get version\/kind; json parse error: /,
          ),
        ])
      })

      test('a body in another format: 415', async () => {
        const answer = await admin('POST', '/api/v1/namespaces/default/secrets', '<a/>', {
          headers: { 'content-type': 'text/xml' },
        })
        expect(told(answer)).toEqual([
          415,
          'UnsupportedMediaType',
          'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
        ])
      })

      test.each([
        [
          { metadata: { name: 'A_b' } },
          `Secret "A_b" is invalid: metadata.name: Invalid value: "A_b": ${SUBDOMAIN_RULE}`,
        ],
        [
          { metadata: { name: 'a'.repeat(254) } },
          `Secret "${'a'.repeat(254)}" is invalid: metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 characters`,
        ],
        [
          { metadata: {} },
          'Secret "" is invalid: metadata.name: Required value: name or generateName is required',
        ],
        [
          { data: { 'a b': 'YQ==' } },
          `Secret "a" is invalid: data[a b]: Invalid value: "a b": ${KEY_RULE}`,
        ],
        [{ data: { '': 'YQ==' } }, `Secret "a" is invalid: data[]: Invalid value: "": ${KEY_RULE}`],
        [
          { data: { '..': 'YQ==' } },
          `Secret "a" is invalid: data[..]: Invalid value: "..": must not be '..'`,
        ],
        [
          { metadata: { name: 'A_b' }, data: { '.': 'YQ==' } },
          `Secret "A_b" is invalid: [metadata.name: Invalid value: "A_b": ${SUBDOMAIN_RULE}, data[.]: Invalid value: ".": must not be '.']`,
        ],
        [
          { metadata: { name: 'a', labels: { x: 'a b' } } },
          `Secret "a" is invalid: metadata.labels: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
        ],
        [
          { metadata: { name: 'a', annotations: { 'a b': 'x' } } },
          `Secret "a" is invalid: metadata.annotations: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
        ],
        [
          { type: 'kubernetes.io/tls' },
          'Secret "a" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]',
        ],
        [
          { type: 'kubernetes.io/basic-auth' },
          'Secret "a" is invalid: [data[username]: Required value, data[password]: Required value]',
        ],
        [
          { type: 'kubernetes.io/service-account-token' },
          'Secret "a" is invalid: metadata.annotations[kubernetes.io/service-account.name]: Required value',
        ],
      ])('%j: 422', async (fields, message) => {
        const answer = await admin('POST', '/api/v1/namespaces/default/secrets', {
          metadata: { name: 'a' },
          ...fields,
        })
        expect(told(answer)).toEqual([422, 'Invalid', message])
        expect(answer.body.details).toMatchObject({ kind: 'Secret', causes: expect.any(Array) })
      })

      test('hold 1 MiB and not a byte more', async () => {
        const { path } = await openNamespace()
        const data = (size: number): object => ({ a: Buffer.alloc(size, 'a').toString('base64') })
        const full = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'full' },
          data: data(1_048_576),
        })
        expect(full.status).toBe(201)
        const over = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'over' },
          data: data(1_048_577),
        })
        expect(told(over)).toEqual([
          422,
          'Invalid',
          'Secret "over" is invalid: data: Too long: may not be more than 1048576 bytes',
        ])
        const huge = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'huge' },
          data: data(3 * 1_048_576),
        })
        expect(told(huge)).toEqual([
          413,
          'RequestEntityTooLarge',
          'Request entity too large: limit is 3145728',
        ])
      })

      test('unknown fields are dropped with a warning, or refused where that is asked for', async () => {
        const { path } = await openNamespace()
        const body = { metadata: { name: 'a' }, foo: 1 }
        const strict = await admin('POST', `${path}/secrets?fieldValidation=Strict`, body)
        expect(told(strict)).toEqual([
          400,
          'BadRequest',
          `${prefix}strict decoding error: unknown field "foo"`,
        ])
        const loose = await admin('POST', `${path}/secrets`, body)
        expect(loose.status).toBe(201)
        expect(loose.headers['warning']).toBe('299 - "unknown field \\"foo\\""')
        expect(loose.body).not.toHaveProperty('foo')
      })

      test('with dryRun are answered and not stored', async () => {
        const { path } = await openNamespace()
        const dry = await admin('POST', `${path}/secrets?dryRun=All`, { metadata: { name: 'a' } })
        expect(dry.status).toBe(201)
        expect(dry.body.metadata).not.toHaveProperty('resourceVersion')
        expect((await admin('GET', `${path}/secrets/a`)).status).toBe(404)
      })

      test('get a name from generateName', async () => {
        const { path } = await openNamespace()
        const created = await admin('POST', `${path}/secrets`, {
          metadata: { generateName: 'gen-' },
        })
        expect(created.body.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/)
      })

      test('a second one of the same name: 409 AlreadyExists', async () => {
        const { path } = await openNamespace()
        await must('POST', `${path}/secrets`, { metadata: { name: 'a' } })
        const again = await admin('POST', `${path}/secrets`, { metadata: { name: 'a' } })
        expect(told(again)).toEqual([409, 'AlreadyExists', 'secrets "a" already exists'])
        expect(again.body.details).toEqual({ name: 'a', kind: 'secrets' })
      })

      test('a version in a create: 500', async () => {
        const { path } = await openNamespace()
        const answer = await admin('POST', `${path}/secrets`, {
          metadata: { name: 'a', resourceVersion: '1' },
        })
        expect(told(answer)).toEqual([
          500,
          undefined,
          'resourceVersion should not be set on objects to be created',
        ])
      })

      test('delete answers Success with the uid, then 404', async () => {
        const { path } = await openNamespace()
        const created = await must('POST', `${path}/secrets`, { metadata: { name: 'a' } })
        const deleted = await admin('DELETE', `${path}/secrets/a`)
        expect(deleted).toMatchObject({ status: 200, body: { kind: 'Status', status: 'Success' } })
        expect(deleted.body.details).toEqual({
          name: 'a',
          kind: 'secrets',
          uid: created.body.metadata.uid,
        })
        expect(told(await admin('DELETE', `${path}/secrets/a`))).toEqual([
          404,
          'NotFound',
          'secrets "a" not found',
        ])
      })

      test('delete obeys preconditions', async () => {
        const { path } = await openNamespace()
        const created = await must('POST', `${path}/secrets`, { metadata: { name: 'a' } })
        const { uid, resourceVersion } = created.body.metadata
        const remove = (preconditions: object): Promise<WireAnswer> => {
          const body = JSON.stringify({ preconditions })
          // Node frames the body of a DELETE only when told how long it is.
          const headers = { 'content-length': String(Buffer.byteLength(body)) }
          return admin('DELETE', `${path}/secrets/a`, body, { headers })
        }
        expect(told(await remove({ uid: 'other' }))).toEqual([
          409,
          'Conflict',
          `Operation cannot be fulfilled on Secret "a": the UID in the precondition (other) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
        ])
        expect(told(await remove({ resourceVersion: '1' }))).toEqual([
          409,
          'Conflict',
          `Operation cannot be fulfilled on Secret "a": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
        ])
        expect((await remove({ uid, resourceVersion })).status).toBe(200)
      })
    })

    describe('changing secrets', () => {
      const openSecret = async (
        fields: object = {},
      ): Promise<{ path: string; version: string; uid: string }> => {
        const { path } = await openNamespace()
        const created = await must('POST', `${path}/secrets`, {
          metadata: { name: 'a', labels: { x: '1' }, annotations: { q: 'w' } },
          data: { a: 'YQ==', b: 'Yg==' },
          ...fields,
        })
        const { resourceVersion, uid } = created.body.metadata
        return { path: `${path}/secrets/a`, version: resourceVersion, uid }
      }

      test('a merge patch merges, null deletes, stringData is encoded, siblings stay', async () => {
        const { path, version, uid } = await openSecret()
        const answer = await patch(path, {
          metadata: { resourceVersion: version, labels: { y: '2', x: null } },
          data: { b: null },
          stringData: { c: 'c', gone: null },
        })
        expect(answer).toMatchObject({
          status: 200,
          body: {
            metadata: { uid, labels: { y: '2' }, annotations: { q: 'w' } },
            data: { a: 'YQ==', c: 'Yw==' },
          },
        })
        expect(answer.body.metadata.labels).not.toHaveProperty('x')
        expect(answer.body.data).not.toHaveProperty('b')
        expect(answer.body.data).not.toHaveProperty('gone')
        expect(BigInt(answer.body.metadata.resourceVersion)).toBeGreaterThan(BigInt(version))
      })

      test('a patch with a stale version: 409 Conflict, nothing changed', async () => {
        const { path, version } = await openSecret()
        const current = await patch(path, { data: { c: 'Yw==' } })
        const stale = await patch(path, {
          metadata: { resourceVersion: version },
          data: { a: null },
        })
        expect(told(stale)).toEqual([
          409,
          'Conflict',
          'Operation cannot be fulfilled on secrets "a": the object has been modified; please apply your changes to the latest version and try again',
        ])
        expect(stale.body.details).toEqual({ name: 'a', kind: 'secrets' })
        expect((await admin('GET', path)).body).toEqual(current.body)
      })

      test('a patch that changes nothing keeps the version', async () => {
        const { path, version } = await openSecret()
        const answer = await patch(path, { metadata: { labels: { x: '1' } } })
        expect(answer).toMatchObject({
          status: 200,
          body: { metadata: { resourceVersion: version } },
        })
      })

      test.each([
        [
          { metadata: { resourceVersion: 'zzz' } },
          500,
          undefined,
          'strconv.ParseUint: parsing "zzz": invalid syntax',
        ],
        [
          { metadata: { name: 'other' } },
          400,
          'BadRequest',
          'the name of the object (other) does not match the name on the URL (a)',
        ],
        [
          { metadata: { namespace: 'other' } },
          400,
          'BadRequest',
          'the namespace of the provided object does not match the namespace sent on the request',
        ],
        [
          { metadata: { uid: 'other' } },
          422,
          'Invalid',
          'Secret "a" is invalid: metadata.uid: Invalid value: "other": field is immutable',
        ],
        [
          { type: 'other/type' },
          422,
          'Invalid',
          'Secret "a" is invalid: type: Invalid value: "other/type": field is immutable',
        ],
      ])('the patch %j: %i', async (body, ...expected) => {
        const { path } = await openSecret()
        expect(told(await patch(path, body))).toEqual(expected)
      })

      test.each([
        [{ data: { a: '!!' } }, 'illegal base64 data at input byte 0'],
        [
          { data: { a: 1 } },
          'json: cannot unmarshal number into Go struct field Secret.data of type []uint8',
        ],
        [{ kind: 'ConfigMap' }, 'converting (v1.ConfigMap) to (core.Secret): unknown conversion'],
      ])(
        'the patch %j: 422 that quotes the whole object, its values included',
        async (body, reason) => {
          const { path } = await openSecret()
          const answer = await patch(path, body)
          expect(told(answer)).toEqual([
            422,
            'Invalid',
            expect.stringMatching(/^ "" is invalid: patch: Invalid value: "\{.*\\"b\\":\\"Yg==\\"/),
          ])
          expect(answer.body.message.endsWith(`}": ${reason}`)).toBe(true)
        },
      )

      test.each([
        [
          '[]',
          400,
          'BadRequest',
          'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
        ],
        [
          '{nope',
          400,
          'BadRequest',
          expect.stringMatching(/^error decoding patch: invalid character 'n' /),
        ],
      ])('the patch %s: %i', async (body, ...expected) => {
        const { path } = await openSecret()
        expect(told(await patch(path, body))).toEqual(expected)
      })

      test('a patch in no patch format: 415', async () => {
        const { path } = await openSecret()
        const answer = await admin('PATCH', path, {})
        expect(told(answer)).toEqual([415, 'UnsupportedMediaType', '415: Unsupported Media Type'])
      })

      test('a patch of what is missing: 404', async () => {
        const { path } = await openNamespace()
        expect(told(await patch(`${path}/secrets/none`, {}))).toEqual([
          404,
          'NotFound',
          'secrets "none" not found',
        ])
      })

      test('PUT replaces everything but identity', async () => {
        const { path, uid } = await openSecret()
        const answer = await admin('PUT', path, { metadata: { name: 'a' }, data: { z: 'eg==' } })
        expect(answer).toMatchObject({
          status: 200,
          body: { metadata: { uid }, data: { z: 'eg==' } },
        })
        expect(answer.body.data).toEqual({ z: 'eg==' })
        expect(answer.body.metadata).not.toHaveProperty('labels')
      })

      test.each([
        [
          { name: 'a', resourceVersion: '1' },
          409,
          'Conflict',
          'Operation cannot be fulfilled on secrets "a": the object has been modified; please apply your changes to the latest version and try again',
        ],
        [
          { name: 'b' },
          400,
          'BadRequest',
          'the name of the object (b) does not match the name on the URL (a)',
        ],
        [
          {},
          400,
          'BadRequest',
          'the name of the object (a based on URL) was undeterminable: name must be provided',
        ],
      ])('PUT with metadata %j: %i', async (metadata, ...expected) => {
        const { path } = await openSecret()
        expect(told(await admin('PUT', path, { metadata }))).toEqual(expected)
      })

      test('PUT with the uid of another object: 409', async () => {
        const { path, uid } = await openSecret()
        const answer = await admin('PUT', path, { metadata: { name: 'a', uid: 'other' } })
        const precondition = `Precondition failed: UID in precondition: other, UID in object meta: ${uid}`
        expect(told(answer)).toEqual([409, 'Conflict', expect.stringContaining(precondition)])
      })

      test('PUT with version 0 asks for no version', async () => {
        const { path } = await openSecret()
        const metadata = { name: 'a', resourceVersion: '0' }
        expect((await admin('PUT', path, { metadata })).status).toBe(200)
      })

      test('PUT of what is missing: 404', async () => {
        const { path } = await openNamespace()
        const answer = await admin('PUT', `${path}/secrets/none`, { metadata: { name: 'none' } })
        expect(told(answer)).toEqual([404, 'NotFound', 'secrets "none" not found'])
      })

      test('an immutable one keeps its data for ever, not its labels', async () => {
        const { path } = await openSecret({ immutable: true })
        const text = 'Forbidden: field is immutable when `immutable` is set'
        const changed = await patch(path, { data: { a: 'Yg==' } })
        expect(told(changed)).toEqual([422, 'Invalid', `Secret "a" is invalid: data: ${text}`])
        const thawed = await patch(path, { immutable: false, data: { a: 'Yg==' } })
        expect(told(thawed)).toEqual([
          422,
          'Invalid',
          `Secret "a" is invalid: [immutable: ${text}, data: ${text}]`,
        ])
        const labelled = await patch(path, { metadata: { labels: { z: '1' } } })
        expect(labelled).toMatchObject({
          status: 200,
          body: { immutable: true, metadata: { labels: { z: '1' } } },
        })
      })
    })

    describe('config maps', () => {
      test('keep data as text and binaryData as base64', async () => {
        const { path } = await openNamespace()
        const created = await admin('POST', `${path}/configmaps`, {
          metadata: { name: 'a' },
          data: { t: 'x' },
          binaryData: { b: 'Yg==' },
        })
        expect(created).toMatchObject({
          status: 201,
          body: { kind: 'ConfigMap', data: { t: 'x' }, binaryData: { b: 'Yg==' } },
        })
        expect(created.body).not.toHaveProperty('type')
      })

      test.each([
        [
          { data: { a: 'x' }, binaryData: { a: 'Yg==' } },
          422,
          'Invalid',
          'ConfigMap "a" is invalid: data[a]: Invalid value: "a": duplicate of key present in binaryData',
        ],
        [
          { data: { 'a b': 'x' } },
          422,
          'Invalid',
          `ConfigMap "a" is invalid: data[a b]: Invalid value: "a b": ${KEY_RULE}`,
        ],
        [
          { binaryData: { a: '!!' } },
          400,
          'BadRequest',
          'ConfigMap in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 0',
        ],
        [
          { data: { a: 1 } },
          400,
          'BadRequest',
          'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
        ],
        [
          { data: { a: 'a'.repeat(1_048_577) } },
          422,
          'Invalid',
          'ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes',
        ],
      ])('%.60j: %i', async (fields, ...expected) => {
        const answer = await admin('POST', '/api/v1/namespaces/default/configmaps', {
          metadata: { name: 'a' },
          ...fields,
        })
        expect(told(answer)).toEqual(expected)
      })
    })

    describe('cron jobs', () => {
      const CRON_JOBS = '/apis/batch/v1'
      const TOKEN = { path: 'token', expirationSeconds: 600 }
      const pod = {
        restartPolicy: 'OnFailure',
        serviceAccountName: 'web',
        containers: [{ name: 'a', image: 'registry.example/a:1', args: ['b'] }],
        volumes: [
          { name: 'c', configMap: { name: 'c' } },
          { name: 'd', projected: { sources: [{ serviceAccountToken: TOKEN }] } },
        ],
      }
      const specOf = (podSpec: object = pod, more: object = {}): object => ({
        schedule: '17 3 * * 1',
        jobTemplate: { spec: { template: { spec: podSpec } } },
        ...more,
      })
      const openCronJobs = async (): Promise<string> =>
        `${CRON_JOBS}/namespaces/${(await openNamespace()).ns}/cronjobs`

      test('a new one has the defaults of the API server', async () => {
        const path = await openCronJobs()
        await must('POST', path, { metadata: { name: 'a' }, spec: specOf() })
        const { body } = await admin('GET', `${path}/a`)
        expect(body).toMatchObject({ kind: 'CronJob', apiVersion: 'batch/v1', status: {} })
        const [container] = pod.containers
        expect(body.spec).toEqual({
          schedule: '17 3 * * 1',
          concurrencyPolicy: 'Allow',
          suspend: false,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 1,
          jobTemplate: {
            metadata: {},
            spec: {
              template: {
                metadata: {},
                spec: {
                  ...pod,
                  containers: [
                    {
                      ...container,
                      resources: {},
                      terminationMessagePath: '/dev/termination-log',
                      terminationMessagePolicy: 'File',
                      imagePullPolicy: 'IfNotPresent',
                    },
                  ],
                  volumes: [
                    { name: 'c', configMap: { name: 'c', defaultMode: 420 } },
                    {
                      name: 'd',
                      projected: {
                        defaultMode: 420,
                        sources: [{ serviceAccountToken: TOKEN }],
                      },
                    },
                  ],
                  serviceAccount: 'web',
                  terminationGracePeriodSeconds: 30,
                  dnsPolicy: 'ClusterFirst',
                  securityContext: {},
                  schedulerName: 'default-scheduler',
                },
              },
            },
          },
        })
      })

      test.each([
        ['a:latest', 'Always'],
        ['registry.example:5000/a', 'Always'],
        [`a@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
      ])('the image %s is pulled: %s', async (image, policy) => {
        const path = await openCronJobs()
        const spec = specOf({ ...pod, containers: [{ name: 'a', image }] })
        const { body } = await must('POST', path, { metadata: { name: 'a' }, spec })
        const [container] = body.spec.jobTemplate.spec.template.spec.containers
        expect(container.imagePullPolicy).toBe(policy)
      })

      test('is patched, listed and deleted', async () => {
        const path = await openCronJobs()
        const { body } = await must('POST', path, { metadata: { name: 'a' }, spec: specOf() })
        const patched = await patch(`${path}/a`, { spec: { schedule: '@weekly' } })
        expect(patched.body.spec).toEqual({ ...body.spec, schedule: '@weekly' })
        const { resourceVersion } = body.metadata
        const late = { metadata: { resourceVersion }, spec: { suspend: true } }
        expect((await patch(`${path}/a`, late)).status).toBe(409)
        const list = await admin('GET', path)
        expect(list.body).toMatchObject({
          kind: 'CronJobList',
          items: [{ spec: patched.body.spec }],
        })
        const deleted = await admin('DELETE', `${path}/a`)
        expect(deleted.body).toMatchObject({
          status: 'Success',
          details: { name: 'a', group: 'batch', kind: 'cronjobs' },
        })
        expect(told(await admin('GET', `${path}/a`))).toEqual([
          404,
          'NotFound',
          'cronjobs.batch "a" not found',
        ])
      })

      const POD = 'spec.jobTemplate.spec.template.spec'
      const ONCE = 'Required value: valid values: "OnFailure", "Never"'
      test.each([
        [
          'no spec',
          {},
          `[spec.schedule: Required value, ${POD}.containers: Required value, ${POD}.restartPolicy: ${ONCE}]`,
        ],
        ['no schedule', { spec: specOf(pod, { schedule: '' }) }, 'spec.schedule: Required value'],
        [
          'a policy that is none',
          { spec: specOf(pod, { concurrencyPolicy: 'x' }) },
          'spec.concurrencyPolicy: Unsupported value: "x": supported values: "Allow", "Forbid", "Replace"',
        ],
        [
          'a pod that never ends',
          { spec: specOf({ containers: pod.containers }) },
          `${POD}.restartPolicy: ${ONCE}`,
        ],
        [
          'no image',
          { spec: specOf({ ...pod, containers: [{ name: 'a' }] }) },
          `${POD}.containers[0].image: Required value`,
        ],
      ])('%s is refused', async (_case, more, message) => {
        const path = await openCronJobs()
        expect(told(await admin('POST', path, { metadata: { name: 'a' }, ...more }))).toEqual([
          422,
          'Invalid',
          `CronJob.batch "a" is invalid: ${message}`,
        ])
      })

      test('its name leaves room for those of its Jobs', async () => {
        const path = await openCronJobs()
        const tooLong = 'a'.repeat(53)
        const long = await admin('POST', path, { metadata: { name: tooLong }, spec: specOf() })
        expect(told(long)).toEqual([
          422,
          'Invalid',
          `CronJob.batch "${tooLong}" is invalid: metadata.name: Invalid value: "${tooLong}": must be no more than 52 characters`,
        ])
      })

      test('a field of another type is refused in the words of Go', async () => {
        const path = await openCronJobs()
        const spec = specOf(pod, { suspend: 'x' })
        expect(told(await admin('POST', path, { metadata: { name: 'a' }, spec }))).toEqual([
          400,
          'BadRequest',
          'CronJob in version "v1" cannot be handled as a CronJob: json: cannot unmarshal string into Go struct field CronJobSpec.spec.suspend of type bool',
        ])
      })

      test('who may not is told so with the group', async () => {
        if (!rbac) return
        const { ns, path } = await openNamespace()
        const { token } = await openAccount(path, 'web')
        const refused = await as(token)('GET', `${CRON_JOBS}/namespaces/${ns}/cronjobs/a`)
        expect(told(refused)).toEqual([
          403,
          'Forbidden',
          `cronjobs.batch "a" is forbidden: User "system:serviceaccount:${ns}:web" cannot get resource "cronjobs" in API group "batch" in the namespace "${ns}"`,
        ])
      })
    })

    describe('lists', () => {
      const names = ({ body }: WireAnswer): string[] =>
        body.items.map((one: { metadata: { name: string } }) => one.metadata.name)
      const openThree = async (): Promise<string> => {
        const { path } = await openNamespace()
        for (const at of ['1', '2', '3']) {
          await must('POST', `${path}/secrets`, { metadata: { name: `s${at}`, labels: { a: at } } })
        }
        return `${path}/secrets`
      }

      test('name their kind once and carry a version', async () => {
        const answer = await admin('GET', await openThree())
        expect(answer).toMatchObject({
          status: 200,
          body: {
            kind: 'SecretList',
            apiVersion: 'v1',
            metadata: { resourceVersion: expect.stringMatching(/^\d+$/) },
          },
        })
        expect(answer.body.items[0]).not.toHaveProperty('kind')
      })

      test.each([
        ['fieldSelector=metadata.name%3Ds1', ['s1']],
        ['fieldSelector=metadata.name%3D%3Ds1', ['s1']],
        ['fieldSelector=metadata.name!%3Ds1', ['s2', 's3']],
        ['fieldSelector=type%3DOpaque,metadata.name%3Ds2', ['s2']],
        ['labelSelector=a%3D1', ['s1']],
        ['labelSelector=a!%3D1', ['s2', 's3']],
        ['labelSelector=a', ['s1', 's2', 's3']],
        ['labelSelector=!a', []],
        ['labelSelector=a%20in%20(1,2)', ['s1', 's2']],
        ['labelSelector=a%20notin%20(1)', ['s2', 's3']],
        ['labelSelector=a%3D1,b%3D2', []],
      ])('%s selects %j', async (query, expected) => {
        expect(names(await admin('GET', `${await openThree()}?${query}`))).toEqual(expected)
      })

      test('come in pages', async () => {
        const path = await openThree()
        const first = await admin('GET', `${path}?limit=2`)
        expect(names(first)).toEqual(['s1', 's2'])
        expect(first.body.metadata).toMatchObject({
          continue: expect.any(String),
          remainingItemCount: 1,
        })
        const second = await admin(
          'GET',
          `${path}?limit=2&continue=${first.body.metadata.continue}`,
        )
        expect(names(second)).toEqual(['s3'])
        expect(second.body.metadata).not.toHaveProperty('continue')
      })

      test.each([
        ['secrets?fieldSelector=spec.x%3Da', 'field label not supported: spec.x'],
        [
          'configmaps?fieldSelector=type%3Da',
          '"type" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ],
        ['secrets?fieldSelector=zzz', "invalid selector: 'zzz'; can't understand 'zzz'"],
        [
          'secrets?labelSelector=a%20b',
          "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ],
        ['secrets?limit=a', 'strconv.ParseInt: parsing "a": invalid syntax'],
      ])('%s: 400', async (query, message) => {
        expect(told(await admin('GET', `/api/v1/namespaces/default/${query}`))).toEqual([
          400,
          'BadRequest',
          message,
        ])
      })

      test('can be deleted as a whole', async () => {
        const path = await openThree()
        const answer = await admin('DELETE', `${path}?labelSelector=a%20in%20(1,2)`)
        expect(answer).toMatchObject({ status: 200, body: { kind: 'SecretList' } })
        expect(names(answer)).toEqual(['s1', 's2'])
        expect(names(await admin('GET', path))).toEqual(['s3'])
      })
    })

    describe('token requests', () => {
      test('give a signed token for the API server, for an hour, where nothing is said', async () => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const answer = await admin('POST', `${path}/serviceaccounts/web/token`, {})
        expect(answer).toMatchObject({
          status: 201,
          body: {
            kind: 'TokenRequest',
            apiVersion: 'authentication.k8s.io/v1',
            metadata: { name: 'web', namespace: ns, uid },
            spec: { audiences: [ISSUER], expirationSeconds: 3600, boundObjectRef: null },
            status: { expirationTimestamp: expect.stringMatching(/Z$/) },
          },
        })
        const { iat, ...claims } = readClaims(answer.body.status.token)
        expect(claims).toEqual({
          aud: [ISSUER],
          exp: iat + 3600,
          iss: ISSUER,
          jti: expect.any(String),
          'kubernetes.io': { namespace: ns, serviceaccount: { name: 'web', uid } },
          nbf: iat,
          sub: `system:serviceaccount:${ns}:web`,
        })
        expect(Date.parse(answer.body.status.expirationTimestamp)).toBe((iat + 3600) * 1000)
      })

      test('give the audiences and the seconds that were asked for', async () => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        const { aud, exp, iat } = readClaims(
          await tokenFor(path, 'web', { audiences: ['vault', 'x'], expirationSeconds: 600 }),
        )
        expect({ aud, lives: exp - iat }).toEqual({ aud: ['vault', 'x'], lives: 600 })
      })

      test.each([
        [599, 'may not specify a duration less than 10 minutes'],
        [0, 'may not specify a duration less than 10 minutes'],
        [2 ** 32 + 1, 'may not specify a duration larger than 2^32 seconds'],
      ])('%i seconds: 422', async (expirationSeconds, text) => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        const answer = await admin('POST', `${path}/serviceaccounts/web/token`, {
          spec: { expirationSeconds },
        })
        expect(told(answer)).toEqual([
          422,
          'Invalid',
          `TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: ${expirationSeconds}: ${text}`,
        ])
        expect(answer.body.details).toMatchObject({
          group: 'authentication.k8s.io',
          kind: 'TokenRequest',
        })
      })

      test.each([
        ['{}', 'none', 404, 'NotFound', 'serviceaccounts "none" not found'],
        [
          '{"metadata":{"name":"zz"}}',
          'web',
          422,
          'Invalid',
          'TokenRequest.authentication.k8s.io "web" is invalid: metadata.name: Invalid value: "zz": must match the service account name if specified',
        ],
        [
          '{"metadata":{"namespace":"zz"}}',
          'web',
          400,
          'BadRequest',
          'the namespace of the provided object does not match the namespace sent on the request',
        ],
        [
          '{"spec":{"expirationSeconds":600.5}}',
          'web',
          400,
          'BadRequest',
          'TokenRequest in version "v1" cannot be handled as a TokenRequest: json: cannot unmarshal number 600.5 into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64',
        ],
        [
          '{"spec":{"expirationSeconds":"600"}}',
          'web',
          400,
          'BadRequest',
          'TokenRequest in version "v1" cannot be handled as a TokenRequest: json: cannot unmarshal string into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64',
        ],
        [
          '{"apiVersion":"v1","kind":"Secret"}',
          'web',
          400,
          'BadRequest',
          'Secret in version "v1" cannot be handled as a TokenRequest: converting (v1.Secret) to (authentication.TokenRequest): unknown conversion',
        ],
        [
          '{"spec":{"boundObjectRef":{"kind":"ConfigMap","apiVersion":"v1","name":"x"}}}',
          'web',
          400,
          'BadRequest',
          'cannot bind token to object of type /v1, Kind=ConfigMap',
        ],
        [
          '{"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1"}}}',
          'web',
          400,
          'BadRequest',
          'Name parameter required.',
        ],
        [
          '{"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"none"}}}',
          'web',
          404,
          'NotFound',
          'pods "none" not found',
        ],
        [
          '{"spec":{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"none"}}}',
          'web',
          404,
          'NotFound',
          'secrets "none" not found',
        ],
      ])('%s for %s: %i', async (body, account, ...expected) => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        expect(told(await admin('POST', `${path}/serviceaccounts/${account}/token`, body))).toEqual(
          expected,
        )
      })

      test('in a namespace that is missing: 404 for the namespace', async () => {
        const answer = await admin(
          'POST',
          '/api/v1/namespaces/none-such/serviceaccounts/web/token',
          {},
        )
        expect(told(answer)).toEqual([404, 'NotFound', 'namespaces "none-such" not found'])
      })

      const openPod = async (path: string, pod: string, spec: object = {}): Promise<string> => {
        const containers = [{ name: 'c', image: 'x' }]
        const body = {
          metadata: { name: pod },
          spec: { serviceAccountName: 'web', containers, ...spec },
        }
        const created = await must('POST', `${path}/pods`, body)
        return created.body.metadata.uid
      }
      const boundTo = (kind: string, boundName: string, uid?: string): object => ({
        audiences: ['vault'],
        boundObjectRef: { kind, apiVersion: 'v1', name: boundName, uid },
      })

      test('bind to a pod and its node', async () => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const podUid = await openPod(path, 'p', { nodeName: 'node1' })
        const token = await tokenFor(path, 'web', boundTo('Pod', 'p', podUid))
        expect(readClaims(token)['kubernetes.io']).toEqual({
          namespace: ns,
          node: { name: 'node1' },
          pod: { name: 'p', uid: podUid },
          serviceaccount: { name: 'web', uid },
        })
        const { status } = (await review(token, ['vault'])).body
        expect(status).toMatchObject({
          authenticated: true,
          user: {
            extra: {
              'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^JTI=/)],
              'authentication.kubernetes.io/node-name': ['node1'],
              'authentication.kubernetes.io/pod-name': ['p'],
              'authentication.kubernetes.io/pod-uid': [podUid],
            },
          },
        })
      })

      test('do not bind to the pod of another ServiceAccount, nor to another pod of the name', async () => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        await openAccount(path, 'other')
        await openPod(path, 'p')
        const foreign = await admin('POST', `${path}/serviceaccounts/other/token`, {
          spec: boundTo('Pod', 'p'),
        })
        expect(told(foreign)).toEqual([
          400,
          'BadRequest',
          'cannot bind token for serviceaccount "other" to pod running with different serviceaccount name.',
        ])
        const stale = await admin('POST', `${path}/serviceaccounts/web/token`, {
          spec: boundTo('Pod', 'p', 'zzz'),
        })
        expect(told(stale)).toEqual([
          409,
          'Conflict',
          'Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (zzz) does not match the UID in record. The object might have been deleted and then recreated',
        ])
        expect(stale.body.details).toEqual({ name: 'p', kind: 'Pod' })
      })

      test.each([
        ['Pod', 'pods'],
        ['Secret', 'secrets'],
      ])('bound to a %s end with it', async (kind, plural) => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        if (kind === 'Pod') await openPod(path, 'x')
        else await must('POST', `${path}/secrets`, { metadata: { name: 'x' } })
        const token = await tokenFor(path, 'web', boundTo(kind, 'x'))
        await must('DELETE', `${path}/${plural}/x`)
        const { status } = (await review(token, ['vault'])).body
        expect(status).toEqual({
          user: {},
          error: '[invalid bearer token, service account token has been invalidated]',
        })
      })
    })

    describe('token reviews', () => {
      test('name the user, his groups and the audiences that match', async () => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const token = await tokenFor(path, 'web', { audiences: ['vault'] })
        const answer = await review(token, ['x', 'vault'])
        expect(answer).toMatchObject({
          status: 201,
          body: { kind: 'TokenReview', spec: { token, audiences: ['x', 'vault'] } },
        })
        expect(answer.body.status).toEqual({
          authenticated: true,
          user: {
            username: `system:serviceaccount:${ns}:web`,
            uid,
            groups: [
              'system:serviceaccounts',
              `system:serviceaccounts:${ns}`,
              'system:authenticated',
            ],
            extra: {
              'authentication.kubernetes.io/credential-id': [`JTI=${readClaims(token).jti}`],
            },
          },
          audiences: ['vault'],
        })
      })

      test('without audiences ask for the API server', async () => {
        const { path } = await openNamespace()
        const { token } = await openAccount(path, 'web')
        expect((await review(token)).body.status).toMatchObject({
          authenticated: true,
          audiences: [ISSUER],
        })
        const vault = await tokenFor(path, 'web', { audiences: ['vault'] })
        expect((await review(vault)).body.status).toEqual({
          user: {},
          error: `[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["${ISSUER}"]]`,
        })
      })

      test.each(['junk', 'a.b.c'])('%s is nobody', async (token) => {
        const answer = await review(token, ['vault'])
        expect(answer.status).toBe(201)
        expect(answer.body.status).toEqual({ user: {}, error: 'invalid bearer token' })
      })

      test('know the static token, for the API server only', async () => {
        const own = (await review(server.adminToken)).body.status
        expect(own).toMatchObject({
          authenticated: true,
          user: { groups: ['system:masters', 'system:authenticated'] },
        })
        const vault = (await review(server.adminToken, ['vault'])).body.status
        expect(vault).toEqual({ user: {}, error: 'invalid bearer token' })
      })

      test('of no token: 400', async () => {
        const answer = await admin('POST', TOKEN_REVIEWS, {})
        expect(told(answer)).toEqual([
          400,
          'BadRequest',
          'token is required for TokenReview in authentication',
        ])
      })

      const seconds =
        (claim: string, by: number) =>
        (claims: Record<string, unknown>): object => ({
          ...claims,
          [claim]: Math.floor(Date.now() / 1000) + by,
        })
      test.each([
        ['expired 55 s ago: the leeway is 60 s', seconds('exp', -55), undefined],
        [
          'expired 65 s ago',
          seconds('exp', -65),
          '[invalid bearer token, service account token has expired]',
        ],
        ['valid in 50 s', seconds('nbf', 50), undefined],
        [
          'valid in 100 s',
          seconds('nbf', 100),
          '[invalid bearer token, service account token is not valid yet]',
        ],
        [
          'issued in 100 s',
          seconds('iat', 100),
          '[invalid bearer token, service account token is issued in the future]',
        ],
        ['without exp', ({ exp: _exp, ...claims }: Record<string, unknown>) => claims, undefined],
        [
          'with one audience as a string',
          (claims: object) => ({ ...claims, aud: 'vault' }),
          undefined,
        ],
        [
          'with another sub: the private claims decide',
          (claims: object) => ({ ...claims, sub: 'system:serviceaccount:x:y' }),
          undefined,
        ],
        [
          'of another issuer',
          (claims: object) => ({ ...claims, iss: 'zz' }),
          'invalid bearer token',
        ],
        [
          'without audience',
          ({ aud: _aud, ...claims }: Record<string, unknown>) => claims,
          `[invalid bearer token, token audiences ["${ISSUER}"] is invalid for the target audiences ["vault"]]`,
        ],
        [
          'without private claims',
          ({ 'kubernetes.io': _own, ...claims }: Record<string, unknown>) => claims,
          '[invalid bearer token, resource name may not be empty]',
        ],
      ])('of a token %s', async (_case, alter, error) => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const { status } = (await review(mint(alter(claimsOf(ns, 'web', uid))), ['vault'])).body
        expect(status).toMatchObject(
          error === undefined ? { authenticated: true } : { user: {}, error },
        )
      })

      test('refuse other keys, other key ids, unsigned and altered tokens', async () => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const claims = claimsOf(ns, 'web', uid)
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
        const broken = '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]'
        const errorOf = async (token: string): Promise<string> =>
          (await review(token, ['vault'])).body.status.error
        expect(await errorOf(mint(claims, {}, privateKey))).toBe(broken)
        expect(
          await errorOf(mint(claims, { alg: 'none', kid: undefined }).replace(/\.[^.]*$/, '.')),
        ).toBe(broken)
        expect(await errorOf(`${mint(claims).slice(0, -6)}AAAAAA`)).toBe(broken)
        expect(await errorOf(mint(claims, { kid: 'zz' }))).toBe(
          '[invalid bearer token, invalid signature, no keys found]',
        )
      })

      test('of a ServiceAccount that is gone, or is another one by now', async () => {
        const { ns, path } = await openNamespace()
        const { uid } = await openAccount(path, 'web')
        const before = await tokenFor(path, 'web', { audiences: ['vault'] })
        const after = mint(claimsOf(ns, 'web', uid))
        const deleted = await must('DELETE', `${path}/serviceaccounts/web`)
        expect(deleted.body).toMatchObject({ kind: 'ServiceAccount', metadata: { uid } })
        const gone = '[invalid bearer token, serviceaccounts "web" not found]'
        expect((await review(before, ['vault'])).body.status).toEqual({ user: {}, error: gone })
        const { uid: newUid } = await openAccount(path, 'web')
        const other = `[invalid bearer token, service account UID (${newUid}) does not match claim (${uid})]`
        expect((await review(after, ['vault'])).body.status).toEqual({ user: {}, error: other })
      })

      test('a token for another audience opens nothing: 401', async () => {
        const { path } = await openNamespace()
        await openAccount(path, 'web')
        const vault = await tokenFor(path, 'web', { audiences: ['vault'] })
        expect(told(await as(vault)('GET', '/version'))).toEqual([
          401,
          'Unauthorized',
          'Unauthorized',
        ])
      })
    })

    describe.runIf(rbac)('authorization', () => {
      const openWeb = async (): Promise<{
        ns: string
        path: string
        roles: string
        user: string
        web: ReturnType<typeof as>
        token: string
      }> => {
        const place = await openNamespace()
        const { token } = await openAccount(place.path, 'web')
        return {
          ...place,
          token,
          web: as(token),
          user: `User "system:serviceaccount:${place.ns}:web"`,
        }
      }
      const grant = async (roles: string, ns: string, rules: object[]): Promise<void> => {
        await must('POST', `${roles}/roles`, { metadata: { name: 'r' }, rules })
        const subjects = [{ kind: 'ServiceAccount', name: 'web', namespace: ns }]
        const roleRef = { apiGroup: ROLE_GROUP, kind: 'Role', name: 'r' }
        await must('POST', `${roles}/rolebindings`, { metadata: { name: 'rb' }, roleRef, subjects })
      }

      test.each([
        ['GET', 'secrets/x', 'get', 'secrets "x"', 'secrets'],
        ['GET', 'secrets', 'list', 'secrets', 'secrets'],
        ['GET', 'secrets?watch=1', 'watch', 'secrets', 'secrets'],
        ['GET', 'secrets?watch', 'watch', 'secrets', 'secrets'],
        ['GET', 'secrets?watch=false', 'list', 'secrets', 'secrets'],
        ['GET', 'secrets?fieldSelector=metadata.name%3Dx', 'list', 'secrets "x"', 'secrets'],
        ['POST', 'secrets', 'create', 'secrets', 'secrets'],
        ['PUT', 'secrets/x', 'update', 'secrets "x"', 'secrets'],
        ['PATCH', 'secrets/x', 'patch', 'secrets "x"', 'secrets'],
        ['DELETE', 'secrets/x', 'delete', 'secrets "x"', 'secrets'],
        ['DELETE', 'secrets', 'deletecollection', 'secrets', 'secrets'],
        [
          'POST',
          'serviceaccounts/web/token',
          'create',
          'serviceaccounts "web"',
          'serviceaccounts/token',
        ],
        ['GET', 'widgets', 'list', 'widgets', 'widgets'],
      ])(
        '%s %s without a rule: 403 that says who, what and where',
        async (method, rest, verb, subject, resource) => {
          const { ns, path, web, user } = await openWeb()
          const answer = await web(method, `${path}/${rest}`)
          const message = `${subject} is forbidden: ${user} cannot ${verb} resource "${resource}" in API group "" in the namespace "${ns}"`
          expect(told(answer)).toEqual([403, 'Forbidden', message])
        },
      )

      test.each([
        ['GET', '/api/v1/secrets', 'secrets', 'list resource "secrets" in API group ""'],
        [
          'POST',
          TOKEN_REVIEWS,
          'tokenreviews.authentication.k8s.io',
          'create resource "tokenreviews" in API group "authentication.k8s.io"',
        ],
        [
          'POST',
          `${RBAC}/clusterroles`,
          'clusterroles.rbac.authorization.k8s.io',
          'create resource "clusterroles" in API group "rbac.authorization.k8s.io"',
        ],
      ])('%s %s without a rule: 403 at the cluster scope', async (method, path, subject, text) => {
        const { web, user } = await openWeb()
        const answer = await web(method, path, method === 'GET' ? undefined : {})
        expect(told(answer)).toEqual([
          403,
          'Forbidden',
          `${subject} is forbidden: ${user} cannot ${text} at the cluster scope`,
        ])
      })

      test('a path without a rule: 403, and those of every authenticated user', async () => {
        const { web, user } = await openWeb()
        expect(told(await web('GET', '/nope'))).toEqual([
          403,
          'Forbidden',
          `forbidden: ${user} cannot get path "/nope"`,
        ])
        for (const path of [
          '/version',
          '/readyz',
          '/api',
          '/openid/v1/jwks',
          '/.well-known/openid-configuration',
        ]) {
          expect((await web('GET', path)).status).toBe(200)
        }
      })

      test('a namespace is asked for within itself', async () => {
        const { ns, path, web, user } = await openWeb()
        const message = `namespaces "${ns}" is forbidden: ${user} cannot get resource "namespaces" in API group "" in the namespace "${ns}"`
        expect(told(await web('GET', path))).toEqual([403, 'Forbidden', message])
      })

      test('resourceNames allow get, and list with the name in a selector, of that name alone', async () => {
        const { ns, path, roles, web } = await openWeb()
        await must('POST', `${path}/secrets`, { metadata: { name: 'mine' } })
        await grant(roles, ns, [
          {
            apiGroups: [''],
            resources: ['secrets'],
            resourceNames: ['mine'],
            verbs: ['get', 'list', 'watch'],
          },
        ])
        expect((await eventually(() => web('GET', `${path}/secrets/mine`), 200)).status).toBe(200)
        expect(
          (await web('GET', `${path}/secrets?fieldSelector=metadata.name%3Dmine`)).status,
        ).toBe(200)
        expect((await web('GET', `${path}/secrets`)).status).toBe(403)
        expect((await web('GET', `${path}/secrets/other`)).status).toBe(403)
        expect((await web('GET', '/api/v1/namespaces/default/secrets/mine')).status).toBe(403)
      })

      test('a subresource needs a rule of its own', async () => {
        const { ns, path, roles, web } = await openWeb()
        await grant(roles, ns, [{ apiGroups: [''], resources: ['serviceaccounts'], verbs: ['*'] }])
        expect(
          (await eventually(() => web('GET', `${path}/serviceaccounts/web`), 200)).status,
        ).toBe(200)
        expect((await web('POST', `${path}/serviceaccounts/web/token`, {})).status).toBe(403)
        const rules = [
          {
            apiGroups: [''],
            resources: ['serviceaccounts/token'],
            resourceNames: ['web'],
            verbs: ['create'],
          },
        ]
        await must('PUT', `${roles}/roles/r`, { metadata: { name: 'r' }, rules })
        expect(
          (await eventually(() => web('POST', `${path}/serviceaccounts/web/token`, {}), 201))
            .status,
        ).toBe(201)
        expect((await web('GET', `${path}/serviceaccounts/web`)).status).toBe(403)
      })

      test.each([
        ['Group', 'system:serviceaccounts'],
        ['Group', 'system:authenticated'],
        ['User', 'the user name'],
      ])('a %s gets rules as %s', async (kind, given) => {
        const { ns, path, roles, web } = await openWeb()
        await must('POST', `${path}/secrets`, { metadata: { name: 'mine' } })
        await must('POST', `${roles}/roles`, {
          metadata: { name: 'r' },
          rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
        })
        const subject = { kind, name: kind === 'User' ? `system:serviceaccount:${ns}:web` : given }
        const binding = await must('POST', `${roles}/rolebindings`, {
          metadata: { name: 'rb' },
          roleRef: { kind: 'Role', name: 'r' },
          subjects: [subject],
        })
        expect(binding.body).toMatchObject({
          subjects: [{ apiGroup: ROLE_GROUP }],
          roleRef: { apiGroup: ROLE_GROUP },
        })
        expect((await eventually(() => web('GET', `${path}/secrets/mine`), 200)).status).toBe(200)
      })

      test('system:auth-delegator lets a reviewer review tokens', async () => {
        const { ns, path, token } = await openWeb()
        await openAccount(path, 'reviewed')
        const vault = await tokenFor(path, 'reviewed', { audiences: ['vault'] })
        const subjects = [{ kind: 'ServiceAccount', name: 'web', namespace: ns }]
        const roleRef = { apiGroup: ROLE_GROUP, kind: 'ClusterRole', name: 'system:auth-delegator' }
        await must('POST', `${RBAC}/clusterrolebindings`, {
          metadata: { name: ns },
          roleRef,
          subjects,
        })
        const answer = await eventually(() => review(vault, ['vault'], token), 201)
        expect(answer.body.status).toMatchObject({ authenticated: true })
        await must('DELETE', `${RBAC}/clusterrolebindings/${ns}`)
      })

      test('a binding to a role that is missing says so', async () => {
        const { ns, path, roles, web, user } = await openWeb()
        const subjects = [{ kind: 'ServiceAccount', name: 'web', namespace: ns }]
        await must('POST', `${roles}/rolebindings`, {
          metadata: { name: 'rb' },
          roleRef: { kind: 'Role', name: 'gone' },
          subjects,
        })
        const message = `secrets "x" is forbidden: ${user} cannot get resource "secrets" in API group "" in the namespace "${ns}": RBAC: role.rbac.authorization.k8s.io "gone" not found`
        let answer = await web('GET', `${path}/secrets/x`)
        for (let tries = 0; answer.body.message !== message && tries < 200; tries++) {
          await delay(10)
          answer = await web('GET', `${path}/secrets/x`)
        }
        expect(told(answer)).toEqual([403, 'Forbidden', message])
      })

      test('access reviews tell which binding allows', async () => {
        const { ns, path, roles, web } = await openWeb()
        const ask = (attributes: object): Promise<WireAnswer> =>
          web('POST', ACCESS_REVIEWS, {
            spec: {
              resourceAttributes: {
                namespace: ns,
                resource: 'secrets',
                verb: 'get',
                ...attributes,
              },
            },
          })
        expect((await ask({ name: 'mine' })).body.status).toEqual({ allowed: false })
        await grant(roles, ns, [
          { apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['get'] },
        ])
        await eventually(() => web('GET', `${path}/secrets/mine`), 404)
        expect((await ask({ name: 'mine' })).body.status).toEqual({
          allowed: true,
          reason: `RBAC: allowed by RoleBinding "rb/${ns}" of Role "r" to ServiceAccount "web/${ns}"`,
        })
        expect((await ask({ name: 'mine', subresource: 'q' })).body.status).toEqual({
          allowed: false,
        })
        const version = await web('POST', ACCESS_REVIEWS, {
          spec: { nonResourceAttributes: { path: '/version', verb: 'get' } },
        })
        expect(version.body.status).toEqual({
          allowed: true,
          // Two bindings allow it, and a real server asks them in no order.
          reason: expect.stringMatching(
            /^RBAC: allowed by ClusterRoleBinding "(system:[a-z-]+)" of ClusterRole "\1" to Group "system:authenticated"$/,
          ),
        })
        const none = await web('POST', ACCESS_REVIEWS, { spec: {} })
        expect(told(none)).toEqual([
          422,
          'Invalid',
          '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
        ])
      })

      test('access reviews answer for others too, and self reviews say who asks', async () => {
        const { ns, user, web, token } = await openWeb()
        const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
        const resourceAttributes = { namespace: ns, resource: 'secrets', verb: 'get' }
        const ask = (subject: object): Promise<WireAnswer> =>
          admin('POST', path, { spec: { ...subject, resourceAttributes } })
        const username = `system:serviceaccount:${ns}:web`
        expect((await ask({ user: username })).body.status).toEqual({ allowed: false })
        const masters = await ask({ user: 'somebody', groups: ['system:masters'] })
        expect(masters.body.status).toMatchObject({ allowed: true })
        expect(told(await ask({}))).toEqual([
          422,
          'Invalid',
          '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified',
        ])
        expect(told(await web('POST', path, {}))).toEqual([
          403,
          'Forbidden',
          `subjectaccessreviews.authorization.k8s.io is forbidden: ${user} cannot create resource "subjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope`,
        ])
        const self = await web('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
        const reviewed = await review(token)
        expect(self).toMatchObject({ status: 201, body: { kind: 'SelfSubjectReview' } })
        expect(self.body.status.userInfo).toEqual(reviewed.body.status.user)
      })

      test('nobody grants what he does not hold', async () => {
        const { ns, path, roles, web } = await openWeb()
        await grant(roles, ns, [
          { apiGroups: [ROLE_GROUP], resources: ['roles', 'rolebindings'], verbs: ['create'] },
          { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
        ])
        await eventually(() => web('GET', `${path}/configmaps/none`), 404)
        const groups = `"system:serviceaccounts" "system:serviceaccounts:${ns}" "system:authenticated"`
        const attempt = `user "system:serviceaccount:${ns}:web" (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n`
        const rules = [
          { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] },
          { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
        ]
        const role = await web('POST', `${roles}/roles`, { metadata: { name: 'more' }, rules })
        expect(told(role)).toEqual([
          403,
          'Forbidden',
          `roles.rbac.authorization.k8s.io "more" is forbidden: ${attempt}{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}`,
        ])
        const roleRef = { apiGroup: ROLE_GROUP, kind: 'ClusterRole', name: 'cluster-admin' }
        const binding = await web('POST', `${roles}/rolebindings`, {
          metadata: { name: 'more' },
          roleRef,
        })
        expect(told(binding)).toEqual([
          403,
          'Forbidden',
          `rolebindings.rbac.authorization.k8s.io "more" is forbidden: ${attempt}{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}`,
        ])
        const held = await web('POST', `${roles}/roles`, {
          metadata: { name: 'same' },
          rules: rules.slice(1),
        })
        expect(held.status).toBe(201)
      })
    })

    describe('roles and bindings', () => {
      const rolePath = '/roles'
      test.each([
        [
          rolePath,
          { rules: [{ apiGroups: [''], resources: ['secrets'] }] },
          'Role.rbac.authorization.k8s.io "x" is invalid: rules[0].verbs: Required value: verbs must contain at least one value',
        ],
        [
          rolePath,
          { rules: [{ verbs: ['get'] }] },
          'Role.rbac.authorization.k8s.io "x" is invalid: [rules[0].apiGroups: Required value: resource rules must supply at least one api group, rules[0].resources: Required value: resource rules must supply at least one resource]',
        ],
        [
          rolePath,
          { rules: [{ nonResourceURLs: ['/x'], verbs: ['get'] }] },
          'Role.rbac.authorization.k8s.io "x" is invalid: rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        ],
        [
          '/rolebindings',
          { roleRef: { kind: 'Foo', name: '' }, subjects: [{ kind: 'Bar', name: '' }] },
          'RoleBinding.rbac.authorization.k8s.io "x" is invalid: [roleRef.kind: Unsupported value: "Foo": supported values: "Role", "ClusterRole", roleRef.name: Required value, subjects[0].name: Required value, subjects[0].kind: Unsupported value: "Bar": supported values: "ServiceAccount", "User", "Group"]',
        ],
      ])('%s %j: 422', async (rest, fields, message) => {
        const { roles } = await openNamespace()
        const answer = await admin('POST', `${roles}${rest}`, {
          metadata: { name: 'x' },
          ...fields,
        })
        expect(told(answer)).toEqual([422, 'Invalid', message])
      })

      test.each([
        ['roles', {}],
        ['rolebindings', { roleRef: { kind: 'Role', name: 'r' } }],
      ])('a deleted one of %s: Success with its group', async (plural, fields) => {
        const { roles } = await openNamespace()
        const path = `${roles}/${plural}`
        const created = await must('POST', path, { metadata: { name: 'x' }, ...fields })
        const { body } = await admin('DELETE', `${path}/x`)
        const { uid } = created.body.metadata
        expect(body.details).toEqual({ name: 'x', group: ROLE_GROUP, kind: plural, uid })
      })

      test('names may hold colons and capitals', async () => {
        const { roles } = await openNamespace()
        const created = await admin('POST', `${roles}/roles`, {
          metadata: { name: 'a:B' },
          rules: [],
        })
        expect(created).toMatchObject({
          status: 201,
          body: { metadata: { name: 'a:B' }, rules: null },
        })
        const slash = await admin('POST', `${roles}/roles`, { metadata: { name: 'a/b' } })
        expect(told(slash)).toEqual([
          422,
          'Invalid',
          `Role.rbac.authorization.k8s.io "a/b" is invalid: metadata.name: Invalid value: "a/b": may not contain '/'`,
        ])
      })

      test('a binding keeps its role', async () => {
        const { roles } = await openNamespace()
        const roleRef = { apiGroup: ROLE_GROUP, kind: 'Role', name: 'r' }
        await must('POST', `${roles}/rolebindings`, { metadata: { name: 'rb' }, roleRef })
        const answer = await admin('PUT', `${roles}/rolebindings/rb`, {
          metadata: { name: 'rb' },
          roleRef: { ...roleRef, name: 'q' },
        })
        expect(told(answer)).toEqual([
          422,
          'Invalid',
          'RoleBinding.rbac.authorization.k8s.io "rb" is invalid: roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"q"}: cannot change roleRef',
        ])
      })

      test.runIf(rbac)('the default roles are there', async () => {
        const rules = async (role: string): Promise<unknown> =>
          (await admin('GET', `${RBAC}/clusterroles/${role}`)).body.rules
        expect(await rules('cluster-admin')).toEqual([
          { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
          { verbs: ['*'], nonResourceURLs: ['*'] },
        ])
        expect(await rules('system:auth-delegator')).toEqual([
          { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'] },
          {
            verbs: ['create'],
            apiGroups: ['authorization.k8s.io'],
            resources: ['subjectaccessreviews'],
          },
        ])
        expect(await rules('system:basic-user')).toEqual([
          {
            verbs: ['create'],
            apiGroups: ['authorization.k8s.io'],
            resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
          },
          {
            verbs: ['create'],
            apiGroups: ['authentication.k8s.io'],
            resources: ['selfsubjectreviews'],
          },
        ])
      })
    })

    describe.runIf(!rbac)('without RBAC', () => {
      test('every authenticated user may do everything', async () => {
        const { ns, path, roles } = await openNamespace()
        const { token } = await openAccount(path, 'web')
        const web = as(token)
        expect((await web('POST', `${path}/secrets`, { metadata: { name: 'a' } })).status).toBe(201)
        expect((await web('GET', '/api/v1/secrets')).status).toBe(200)
        expect((await web('POST', TOKEN_REVIEWS, { spec: { token } })).body.status).toMatchObject({
          authenticated: true,
        })
        const roleRef = { apiGroup: ROLE_GROUP, kind: 'ClusterRole', name: 'cluster-admin' }
        expect(
          (await web('POST', `${roles}/rolebindings`, { metadata: { name: 'rb' }, roleRef }))
            .status,
        ).toBe(201)
        const asked = await web('POST', ACCESS_REVIEWS, {
          spec: { resourceAttributes: { namespace: ns, resource: 'secrets', verb: 'get' } },
        })
        expect(asked.body.status).toEqual({ allowed: true })
      })

      test('there are no default roles', async () => {
        const answer = await admin('GET', `${RBAC}/clusterroles/cluster-admin`)
        expect(told(answer)).toEqual([
          404,
          'NotFound',
          'clusterroles.rbac.authorization.k8s.io "cluster-admin" not found',
        ])
      })

      test('a token nobody has is still refused', async () => {
        expect(told(await as('junk')('GET', '/api/v1/secrets'))).toEqual([
          401,
          'Unauthorized',
          'Unauthorized',
        ])
      })
    })
  })
}

/** Status code, reason and message of a refusal. */
function told({ status, body }: WireAnswer): unknown[] {
  if (body.kind !== 'Status') return [status, body]
  return [status, body.reason, body.message]
}

interface TokenClaims {
  readonly aud: string[]
  readonly exp: number
  readonly iat: number
  readonly jti: string
  readonly 'kubernetes.io': unknown
}

function readClaims(token: string): TokenClaims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}
