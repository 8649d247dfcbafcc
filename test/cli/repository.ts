/** A git repository of its own, in a temporary directory. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A work tree, and what a person does in it. */
export interface Repository {
  readonly path: string
  /** Writes a file; gives its path. */
  write(name: string, text: string): string
  /** Commits everything there is. */
  commit(): void
  git(...args: readonly string[]): string
}

/** Makes one that is gone after the test. */
export function repository(): Repository {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'secretmanager-repository-')))
  onTestFinished(() => rmSync(path, { recursive: true }))
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', path, ...IDENTITY, ...args], { encoding: 'utf8' })
  git('init', '--quiet', '--initial-branch=main')
  return {
    path,
    write: (name, text) => {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      return file
    },
    commit: () => {
      git('add', '--all')
      git('commit', '--quiet', '--allow-empty', '--message', 'a commit')
    },
    git,
  }
}

const IDENTITY: readonly string[] = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']
