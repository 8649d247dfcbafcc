// Loaded into a measured program with --import: at the end it writes what was used to descriptor 3.
import { writeSync } from 'node:fs'

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  const usage = { cpuMs: (userCPUTime + systemCPUTime) / 1000, rssMiB: maxRSS / 1024 }
  writeSync(3, JSON.stringify(usage))
})
