/** What installing the package brings. */
import type { Benchmark } from './bench.ts'
import { figure } from './figure.ts'

export const install: Benchmark = async (context) => {
  const { bytes, packages } = await context.installation()
  const note = 'blocks of node_modules after npm install of the packed tarball, without a network'
  return [
    figure('install', { value: bytes / 1e6, unit: 'MB', goal: 3, samples: 1, note }),
    figure('install.packages', {
      value: packages,
      unit: 'packages',
      goal: 1,
      samples: 1,
      note: '',
    }),
  ]
}
