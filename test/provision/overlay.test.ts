import { describe, expect, test } from 'vitest'
import { differingIn, overlaid } from '../../src/provision/overlay.ts'

/** Wanted, there, what differs, and what is sent. */
type Row = readonly [
  what: string,
  wanted: unknown,
  there: unknown,
  fields: readonly string[],
  sent: unknown,
]

const VOLUME = { name: 'config', configMap: { name: 'ours' } }

describe('an object of which we know a part', () => {
  test.each<Row>([
    [
      'what others added to an item stays',
      [{ name: 'a', image: 'ours' }],
      [{ name: 'a', image: 'theirs', resources: {} }],
      ['it[0].image'],
      [{ name: 'a', image: 'ours', resources: {} }],
    ],
    [
      'a volume of another source gets ours alone',
      [VOLUME],
      [{ name: 'config', secret: { secretName: 'theirs' } }],
      ['it[0]'],
      [VOLUME],
    ],
    [
      'items in another order are not mixed',
      [VOLUME, { name: 'token', projected: {} }],
      [
        { name: 'token', projected: {} },
        { ...VOLUME, hostPath: {} },
      ],
      ['it[0]', 'it[1]'],
      [VOLUME, { name: 'token', projected: {} }],
    ],
    ['a false that is gone is set again', { may: false }, {}, ['it.may'], { may: false }],
    ['a list of another length is ours', ['a'], ['a', 'b'], ['it'], ['a']],
    [
      'what is completed is no difference',
      [VOLUME],
      [{ ...VOLUME, mode: 1 }],
      [],
      [{ ...VOLUME, mode: 1 }],
    ],
  ])('%s', (_what, wanted, there, fields, sent) => {
    expect(differingIn(wanted, there, 'it').map(({ field }) => field)).toEqual(fields)
    expect(overlaid(wanted, there)).toEqual(sent)
    expect(differingIn(wanted, sent, 'it')).toEqual([])
  })
})
