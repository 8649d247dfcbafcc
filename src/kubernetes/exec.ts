import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import { untilAborted } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Runtime } from '../runtime.ts'
import type { ExecPlugin } from './exec-plugin.ts'
import { isPem } from './pem.ts'
import { child, requiredText, section, text, type Section } from './section.ts'
import { isBearerToken } from './token-file.ts'

/** What a credential plugin answered. */
export interface ExecCredential {
  readonly token: string | undefined
  /** PEM text of a client certificate and its key. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined
  /** Unix milliseconds; infinite where the plugin set no `expirationTimestamp`. */
  readonly usableUntil: number
}

/** The answers of one plugin over time. */
export interface ExecCredentials {
  /** The last answer. */
  held(): ExecCredential
  /** Runs the plugin where the answer has run out or `fresh` asks for it; callers share one run. */
  current(fresh: boolean, signal: AbortSignal | undefined): Promise<ExecCredential>
}

/** A plugin may open a browser or ask a cloud; longer than this it hangs. */
const TIMEOUT_MS = 60_000

/**
 * Runs the plugin for the first time.
 *
 * @throws SM_EXEC_FAILED with the command and its exit code; never its output
 */
export async function openExec(plugin: ExecPlugin, runtime: Runtime): Promise<ExecCredentials> {
  let held = await runPlugin(plugin, runtime)
  const flight = new SingleFlight<void>()
  const renew = async (): Promise<void> => {
    held = await runPlugin(plugin, runtime)
  }
  return {
    held: () => held,
    async current(fresh, signal) {
      if (fresh || runtime.wallClock() >= held.usableUntil) {
        await untilAborted(flight.run(renew), signal)
      }
      return held
    },
  }
}

async function runPlugin(plugin: ExecPlugin, runtime: Runtime): Promise<ExecCredential> {
  const { command, args, env } = plugin
  const stdout = await runtime
    .exec(command, args, { env, timeoutMs: TIMEOUT_MS })
    .catch((error: unknown) => {
      throw notRun(plugin, error)
    })
  return parseCredential(plugin, stdout, runtime.wallClock())
}

function notRun(plugin: ExecPlugin, error: unknown): SecretManagerError {
  const code = systemCode(error)
  if (code === 'ENOENT') {
    const hint = plugin.installHint
      ? `install it: ${oneLine(plugin.installHint)}`
      : 'install it, or put it on the PATH'
    return failed(plugin, 'was not found', hint, code)
  }
  const hint = 'run it by hand, with its arguments and environment, and read what it prints'
  return failed(plugin, howItEnded(error, code), hint, code)
}

/** From what `execFile` of Node says of a child; its message quotes the output and is not used. */
function howItEnded(error: unknown, code: string | undefined): string {
  const failure: ChildFailure = typeof error === 'object' && error !== null ? error : {}
  const { code: exit, killed, signal } = failure
  if (typeof exit === 'number') return `exited with code ${exit}`
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'printed more than 1 MiB'
  if (killed === true) return `did not end within ${TIMEOUT_MS / 1000} s`
  if (typeof signal === 'string') return `was ended by ${signal}`
  return code === undefined ? 'failed' : `could not be run (${code})`
}

interface ChildFailure {
  readonly code?: unknown
  readonly killed?: unknown
  readonly signal?: unknown
}

function failed(
  { label }: ExecPlugin,
  problem: string,
  hint: string,
  causeClass?: string,
): SecretManagerError {
  return new SecretManagerError('SM_EXEC_FAILED', `${label} ${problem}`, { hint, causeClass })
}

function parseCredential(plugin: ExecPlugin, stdout: string, now: number): ExecCredential {
  try {
    return readCredential(plugin, section(JSON.parse(stdout), '', 'ExecCredential'), now)
  } catch (error) {
    const problem = isSecretManagerError(error) ? error.message : 'no JSON'
    const hint = `it must print one ExecCredential of ${plugin.apiVersion} and nothing else`
    throw failed(plugin, `gave an unusable answer: ${problem}`, hint)
  }
}

function readCredential(plugin: ExecPlugin, answer: Section, now: number): ExecCredential {
  if (text(answer, 'kind') !== 'ExecCredential') throw unusable('its kind is not ExecCredential')
  if (text(answer, 'apiVersion') !== plugin.apiVersion) throw unusable('its apiVersion differs')
  const status = child(answer, 'status')
  if (!status) throw unusable('it has no status')
  const token = text(status, 'token')
  if (token !== undefined && !isBearerToken(token)) throw unusable('its token is malformed')
  const certificate = readCertificate(status)
  if (token === undefined && !certificate) throw unusable('it has neither token nor certificate')
  return { token, certificate, usableUntil: usableUntil(status, now) }
}

function readCertificate(status: Section): ExecCredential['certificate'] {
  const hasEither = text(status, 'clientCertificateData') ?? text(status, 'clientKeyData')
  if (hasEither === undefined) return undefined
  const cert = requiredText(status, 'clientCertificateData')
  const key = requiredText(status, 'clientKeyData')
  if (!isPem(cert) || !isPem(key)) throw unusable('its certificate or key is not PEM text')
  return { cert, key }
}

/** Renewed a tenth of the lifetime early, at most 10 s, so that it does not run out on its way. */
function usableUntil(status: Section, now: number): number {
  const written = text(status, 'expirationTimestamp')
  if (written === undefined) return Number.POSITIVE_INFINITY
  const left = Date.parse(written) - now
  if (Number.isNaN(left)) throw unusable('its expirationTimestamp is no RFC 3339 time')
  if (left <= 0) throw unusable('it has expired already, or the clock of this host is wrong')
  return now + left - Math.min(10_000, left / 10)
}

function unusable(problem: string): SecretManagerError {
  return new SecretManagerError('SM_EXEC_FAILED', problem)
}

/** Text of a kubeconfig as part of a hint: control characters would write to the terminal. */
function oneLine(written: string): string {
  return written
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 500)
}
