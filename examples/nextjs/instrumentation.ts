/**
 * Next.js awaits `register` once, before the first request. This file lies beside `app/`.
 *
 * SIGTERM is left to `next start`: it answers the requests that run and then ends the process, and with
 * it all that a SecretManager holds.
 *
 * @see https://nextjs.org/docs/app/guides/instrumentation
 */
export async function register(): Promise<void> {
  // The edge runtime has no sockets; what is imported within this condition is in no bundle for it.
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { secrets } = await import('./lib/secrets.ts')
    const { readiness } = await secrets()
    // Begins to read, so that the first probe finds it done.
    readiness()
  }
}
