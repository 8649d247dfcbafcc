import { describe, expect, test } from 'vitest'

import { vaultField, word } from '../../src/lib/shell-word.ts'

describe('one word of a command', () => {
  test.each(['app', 'prod:web', 'system:serviceaccount:prod:web', 'a/b.c_d-e=f,g%h+i@j'])(
    '%s stays as it is',
    (text) => expect(word(text)).toBe(text),
  )

  test.each([
    ['$(reboot)', "'$(reboot)'"],
    ['a;reboot', "'a;reboot'"],
    ['a b', "'a b'"],
    ['`id`', "'`id`'"],
    ['a\nb', "'a\nb'"],
    ["a';reboot;'", String.raw`'a'\'';reboot;'\'''`],
    ['', "''"],
  ])('%j is quoted', (text, quoted) => expect(word(text)).toBe(quoted))
})

describe('one field of vault write', () => {
  test.each([
    ['vault', 'audience=vault'],
    ['a@b', 'audience=a@b'],
    ['a b', "'audience=a b'"],
    // Unquoted the shell would take the backslash away; without it Vault would get the file.
    ['@/etc/passwd', String.raw`'audience=\@/etc/passwd'`],
    ["@a';reboot", String.raw`'audience=\@a'\'';reboot'`],
  ])('%s', (value, field) => expect(vaultField('audience', value)).toBe(field))
})
