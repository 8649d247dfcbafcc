import { expect, test } from 'vitest'
import { isSchedule } from '../../src/config/provision-file-schedule.ts'

// As kube-apiserver 1.36 answers for a CronJob of that schedule.
test.each([
  ['17 3 * * 1', true],
  ['*/15 * * * *', true],
  ['0,30 8-18/2 1 jan-JUN Mon-fri', true],
  ['? ? ? ? ?', true],
  ['5/15 * * * *', true],
  ['@weekly', true],
  ['@midnight', true],
  ['59 23 31 12 6', true],
  ['60 3 * * *', false],
  ['0 24 * * *', false],
  ['0 0 0 * *', false],
  ['0 0 * 13 *', false],
  ['0 0 * * 7', false],
  ['5-1 * * * *', false],
  ['*/0 * * * *', false],
  ['1-? * * * *', false],
  ['1/2/3 * * * *', false],
  ['1-2-3 * * * *', false],
  ['a * * * *', false],
  ['* * * *', false],
  ['* * * * * *', false],
  ['@often', false],
  ['', false],
])('%j: %j', (schedule, is) => expect(isSchedule(schedule)).toBe(is))
