/** What a service's log should say of its secrets. No event holds a value, a token or a JWT. */
import { listen, type Channels } from 'secretmanager'

/** Passes each line to `write`, until the function that it gives is called. */
export function logEvents(write: (line: object) => void): () => void {
  const stops = NOTABLE.map((event) => listen(event, (fields) => write({ event, ...fields })))
  return () => {
    for (const stop of stops) stop()
  }
}

/** The others, `request`, `login` and `refresh`, tell of every success too: they make metrics. */
const NOTABLE = [
  'retry',
  'stale',
  'fresh',
  'dropped',
  'security',
] as const satisfies readonly (keyof Channels)[]
