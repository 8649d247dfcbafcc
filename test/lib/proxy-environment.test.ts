import { describe, expect, test } from 'vitest'
import { proxyFromEnvironment } from '../../src/lib/proxy-environment.ts'

const URL_A = 'https://vault.corp.example:8200/prefix'

describe('proxyFromEnvironment', () => {
  test.each([
    ['none set', URL_A, {}, undefined],
    ['https', URL_A, { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['lower case', URL_A, { https_proxy: 'http://p:1' }, 'http://p:1'],
    [
      'upper case first',
      URL_A,
      { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:1' },
      'http://p:1',
    ],
    ['no scheme', URL_A, { HTTPS_PROXY: 'p:1' }, 'http://p:1'],
    ['HTTP_PROXY is not for https', URL_A, { HTTP_PROXY: 'http://p:1' }, undefined],
    ['HTTP_PROXY for http', 'http://vault.example', { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
    ['localhost', 'https://localhost:8200', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['loopback', 'https://127.0.0.1:8200', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['IPv6 loopback', 'https://[::1]:8200', { HTTPS_PROXY: 'http://p:1' }, undefined],
    [
      'looks like loopback',
      'https://127.evil.example',
      { HTTPS_PROXY: 'http://p:1' },
      'http://p:1',
    ],
  ])('%s', (_name, url, env: Record<string, string>, proxy) => {
    expect(proxyFromEnvironment(url, (name) => env[name])?.proxy).toBe(proxy)
  })

  test.each([
    [URL_A, '*', true],
    [URL_A, 'vault.corp.example', true],
    [URL_A, 'VAULT.corp.example', true],
    [URL_A, 'other, corp.example ,', true],
    [URL_A, '.corp.example', true],
    [URL_A, '*.corp.example', true],
    [URL_A, 'vault.corp.example:8200', true],
    [URL_A, 'vault.corp.example:443', false],
    [URL_A, '.vault.corp.example', false],
    [URL_A, 'orp.example', false],
    [URL_A, '', false],
    ['https://vault.example', 'vault.example:443', true],
    ['https://10.1.2.3', '10.1.2.3', true],
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://10.1.2.3', '10.1.2.0/30', true],
    ['https://10.1.2.4', '10.1.2.0/30', false],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://10.1.2.3', '0.0.0.0/0', true],
    ['https://10.1.2.3', '10.0.0.0/x', false],
    ['https://vault.example', '10.0.0.0/8', false],
    ['https://[fd00::1]:8200', 'fd00::1', true],
    ['https://[fd00::1]:8200', '[fd00::1]', true],
    ['https://[fd00::1]:8200', '[fd00::1]:8200', true],
    ['https://[fd00::1]:8200', 'fd00::2', false],
  ])('%s with NO_PROXY=%s is direct: %s', (url, noProxy, direct) => {
    const env: Record<string, string> = { HTTPS_PROXY: 'http://p:1', NO_PROXY: noProxy }
    expect(proxyFromEnvironment(url, (name) => env[name]) === undefined).toBe(direct)
  })

  test('says which variable it was', () => {
    const env: Record<string, string> = { https_proxy: 'http://p:1' }
    expect(proxyFromEnvironment(URL_A, (name) => env[name])?.from).toBe('https_proxy')
  })
})
