/**
 * Ends servers and removes their directories when this process ends in whatever way.
 *
 * A test worker may be killed before any of its own handlers run. A shell holds the other end of a
 * pipe: when the pipe closes, this process is gone, and the shell ends what is still listed.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

const SCRIPT = `
pids= dirs=
while read -r what item; do
  case $what in
    +pid) pids="$pids $item" ;;
    -pid) rest=; for p in $pids; do [ "$p" = "$item" ] || rest="$rest $p"; done; pids=$rest ;;
    +dir) dirs="$dirs
$item" ;;
  esac
done
for p in $pids; do kill -CONT "$p"; kill -TERM "$p"; done
for i in 1 2 3 4 5 6 7 8 9 10; do
  alive=; for p in $pids; do kill -0 "$p" && alive="$alive $p"; done
  pids=$alive; [ -z "$pids" ] && break
  sleep 0.5
done
for p in $pids; do kill -KILL "$p"; done
printf '%s\\n' "$dirs" | while read -r d; do [ -n "$d" ] && rm -rf -- "$d"; done
`

let pipe: Writable | undefined

/** Ends `pid` when this process ends. */
export function watchProcess(pid: number): void {
  tell(`+pid ${pid}`)
}

/** Takes back {@link watchProcess}: the process has ended, its number may be another's soon. */
export function forgetProcess(pid: number): void {
  tell(`-pid ${pid}`)
}

/** Removes `directory` when this process ends. */
export function watchDirectory(directory: string): void {
  tell(`+dir ${directory}`)
}

function tell(line: string): void {
  pipe ??= openPipe()
  pipe.write(`${line}\n`)
}

function openPipe(): Writable {
  // Its own session, so that Ctrl-C in the terminal does not end it before it has done its work.
  const child = spawn('sh', ['-c', SCRIPT], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  if (child.stdin instanceof Socket) child.stdin.unref()
  return child.stdin
}
