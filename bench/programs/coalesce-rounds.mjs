// What coalesce.mjs and coalesce-floor.mjs have in common: the rounds, their clock, and the check.
import { readFileSync } from 'node:fs'

/** The first is not counted: it compiles the code and opens the connections. */
const ROUNDS = 3

/** Opens everything once per round, checks what came out, and prints when each round began and ended. */
export async function rounds({ ciphertextsFile, workers, logIn, open }) {
  const pairs = JSON.parse(readFileSync(ciphertextsFile, 'utf8'))
  const counted = []
  for (let round = 0; round < ROUNDS; round += 1) {
    await logIn()
    const began = monotonicMs()
    const opened = await openAll(pairs, workers || pairs.length, open)
    const ended = monotonicMs()
    const wrong = pairs.filter(([, document], at) => opened[at] !== document)
    if (wrong.length > 0) throw new Error(`${wrong.length} documents are not what was encrypted`)
    if (round > 0) counted.push({ began, ended })
  }
  console.log(JSON.stringify(counted))
}

async function openAll(pairs, workers, open) {
  const opened = []
  let next = 0
  const work = async () => {
    while (next < pairs.length) {
      const at = next
      next += 1
      opened[at] = await open(pairs[at][0])
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return opened
}

/** The clock that all processes of a machine share. */
function monotonicMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
