// Loaded into a measured program with --import, and --expose-gc: at the lines of output that MARKS names
// it appends what memory is in use, once garbage is collected, to the file SAMPLES.
import { appendFileSync } from 'node:fs'

const marks = process.env.MARKS.split(',').map(Number)
const write = process.stdout.write.bind(process.stdout)
let lines = 0
process.stdout.write = (chunk, ...rest) => {
  lines += countLines(chunk)
  while (lines >= marks[0]) sample(marks.shift())
  return write(chunk, ...rest)
}

function countLines(chunk) {
  const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  return text.split('\n').length - 1
}

function sample(mark) {
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  appendFileSync(process.env.SAMPLES, `${JSON.stringify({ mark, rss, heapUsed, external })}\n`)
}
