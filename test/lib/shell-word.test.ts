import { describe, expect, test } from 'vitest'

import { word } from '../../src/lib/shell-word.ts'

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
