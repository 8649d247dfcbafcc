import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isDataKey,
  isDnsLabel,
  isDnsSubdomain,
  isLoopback,
  isPathSegments,
  isRoleName,
  isServiceAccountEmail,
  isTransitKey,
} from '../../src/lib/names.ts'

const LONG = 'a'.repeat(2000)

const RULES = {
  isPathSegments: {
    allows: isPathSegments,
    yes: ['transit', 'a/b/c', 'Team_1/kv-2', 'a..b', '-', '...', 'a'.repeat(1024)],
    no: [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      'a/./b',
      'a b',
      'a%2fb',
      'ä',
      'a\n',
      LONG,
    ],
  },
  isTransitKey: {
    allows: isTransitKey,
    yes: ['aes256-key', 'a', '_', 'A.b-c_9', 'a..b'],
    no: ['', '.', '..', '-a', 'a-', 'a.', 'a/b', 'a b', 'a?', 'a\n', 'é', LONG],
  },
  isRoleName: {
    allows: isRoleName,
    yes: ['demo', 'team-a.app_1'],
    no: ['', '..', 'a/b', 'a:b', 'a\u0000', LONG],
  },
  isDnsSubdomain: {
    allows: isDnsSubdomain,
    yes: ['a', 'matrix-secrets', 'a.b.c', '0', 'a'.repeat(253)],
    no: ['', '.', '..', 'a..b', '.a', 'a.', '-a', 'a-', 'A', 'a_b', 'a/b', 'a\n', 'a'.repeat(254)],
  },
  isDnsLabel: {
    allows: isDnsLabel,
    yes: ['default', 'kube-system', '0', 'a'.repeat(63)],
    no: ['', 'a.b', '-a', 'a-', 'A', 'a/b', '..', 'a'.repeat(64)],
  },
  isServiceAccountEmail: {
    allows: isServiceAccountEmail,
    yes: [
      'app@project-1.iam.gserviceaccount.com',
      'app@project.example.com.iam.gserviceaccount.com',
      '123-compute@developer.gserviceaccount.com',
      'a.b_c@localhost',
    ],
    no: [
      '',
      '@',
      'a',
      'a@',
      '@a',
      'a@b@c',
      '..@a',
      'a/b@c',
      'a@b/c',
      'a@..',
      'a?@b',
      'A@b',
      'a@b\n',
    ],
  },
  isDataKey: {
    allows: isDataKey,
    yes: ['secrets.json', '.env', '-', '_', 'A.b', 'a..b', 'a'.repeat(253)],
    no: ['', '.', '..', '..data', 'a/b', 'a b', '~1', 'a\n', 'a'.repeat(254)],
  },
}

describe.each(Object.entries(RULES))('%s', (_name, { allows, yes, no }) => {
  test.each(yes.map((name) => [name]))('allows %j', (name) => {
    expect(allows(name)).toBe(true)
  })

  test.each(no.map((name) => [name]))('refuses %j', (name) => {
    expect(allows(name)).toBe(false)
  })

  test('Q14: what is allowed stays itself in a URL', () => {
    const near = fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9._/%?#@-]{0,8}$/))
    fc.assert(
      fc.property(near, (name) => {
        if (!allows(name)) return
        const segments = name.split('/')
        const { pathname, search, hash } = new URL(`https://host.example/v1/${name}/end`)
        expect(pathname).toBe(`/v1/${name}/end`)
        expect(search + hash).toBe('')
        // RFC 3986 lets a segment have an @ as it is.
        const escaped = segments.map((part) => encodeURIComponent(part).replaceAll('%40', '@'))
        expect(escaped).toEqual(segments)
        expect(allows === isPathSegments || segments.length === 1).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('I19: a long hostile name is refused in linear time', () => {
    const start = process.cpuUsage()
    for (const part of ['a', '-', '.', 'a.', 'a-', '/', 'a/']) {
      expect(allows(`${part.repeat(1 << 20)}!`)).toBe(false)
    }
    expect(process.cpuUsage(start).user).toBeLessThan(1_000_000)
  })
})

describe('isLoopback', () => {
  test.each([
    ['https://localhost', true],
    ['https://127.0.0.1', true],
    ['https://127.9.9.9', true],
    ['https://2130706433', true],
    ['https://[::1]', true],
    ['https://[0:0:0:0:0:0:0:1]', true],
    ['https://127.0.0.1.example', false],
    ['https://localhost.example', false],
    ['https://128.0.0.1', false],
    ['https://[::2]', false],
  ])('%s: %s', (url, expected) => {
    expect(isLoopback(new URL(url).hostname)).toBe(expected)
  })
})
