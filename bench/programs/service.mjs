// A service as faults-ours.mjs and ../peers/faults.mjs run it: it logs in once and decrypts again and again.

/**
 * Logs in at `startAt` (monotonic milliseconds), then runs for `seconds`, a use each `everyMs` (0: the
 * next as soon as the last has ended), and prints what came of it.
 */
export async function serve({ logIn, use, startAt, seconds, everyMs }) {
  await new Promise((resolve) => setTimeout(resolve, startAt - monotonicMs()))
  const lateMs = Math.round(monotonicMs() - startAt)
  const start = await outcome(logIn)
  const began = performance.now()
  const uses = []
  const underWay = []
  while (performance.now() - began < seconds * 1000) {
    const one = record(use)
    underWay.push(one)
    await (everyMs === 0 ? one : new Promise((resolve) => setTimeout(resolve, everyMs)))
  }
  // What waits for longer than a call may take is told as failed.
  let timer
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, 16_000)
  })
  await Promise.race([Promise.all(underWay), limit])
  clearTimeout(timer)
  console.log(
    JSON.stringify({
      lateMs,
      start,
      uses: summary(uses),
      last: uses.slice(-3).map(({ ok }) => ok),
    }),
  )

  async function record(work) {
    const one = { ok: false, error: 'never ended', ms: 0 }
    const at = performance.now()
    uses.push(one)
    Object.assign(one, await outcome(work))
    one.ms = performance.now() - at
  }
}

async function outcome(work) {
  try {
    await work()
    return { ok: true, error: undefined }
  } catch (error) {
    // A peer that meets 503 without a wait meets it a hundred thousand times: the loop must let sockets live.
    await new Promise((resolve) => setImmediate(resolve))
    return {
      ok: false,
      error: String(error.code ?? error.message)
        .split('\n')[0]
        .slice(0, 80),
    }
  }
}

function summary(uses) {
  const failed = uses.filter(({ ok }) => !ok)
  const errors = {}
  for (const { error } of failed) errors[error] = (errors[error] ?? 0) + 1
  const slowestMs = Math.round(uses.reduce((slowest, { ms }) => Math.max(slowest, ms), 0))
  return { all: uses.length, failed: failed.length, errors, slowestMs }
}

/** The clock that all processes of a machine share. */
function monotonicMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
