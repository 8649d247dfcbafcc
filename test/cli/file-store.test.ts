import { randomUUID } from 'node:crypto'
/** The files of a person as rotation sees them: each once, and replaced only as they were read. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { fileStore } from '../../src/cli/file-store.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { rejection } from '../faults/world.ts'

const store = fileStore(systemRuntime(inProcessTransport(new Map())))

let directory: string

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'secretmanager-files-')))
  mkdirSync(join(directory, 'a/b'), { recursive: true })
  writeFileSync(join(directory, 'a/one.yaml'), 'one')
  writeFileSync(join(directory, 'a/b/two.json'), 'two')
  writeFileSync(join(directory, 'a/b/README.md'), 'three')
})

afterEach(() => rmSync(directory, { recursive: true }))

describe('paths', () => {
  test('are those of manifests, at any depth', async () => {
    const found = await store.paths(directory)
    expect(found.toSorted()).toEqual([
      join(directory, 'a/b/two.json'),
      join(directory, 'a/one.yaml'),
    ])
  })

  test('below the directory that we were started in they are told from there', async () => {
    const here = relative('.', import.meta.filename)
    expect(await store.paths(import.meta.filename)).toEqual([here])
    expect(await store.paths(`./test/../${here}`)).toEqual([here])
  })

  test('a file has one name, however many links lead to it', async () => {
    const file = join(directory, 'a/one.yaml')
    symlinkSync('one.yaml', join(directory, 'a/link.yaml'))
    symlinkSync('a', join(directory, 'c'))
    const found = [
      ...(await store.paths(join(directory, 'a'))),
      ...(await store.paths(join(directory, 'c'))),
      ...(await store.paths(join(directory, 'c/link.yaml'))),
    ]
    expect(new Set(found)).toEqual(new Set([file, join(directory, 'a/b/two.json')]))
    expect(await store.replace(file, Buffer.from('one'), Buffer.from('1'))).toBe('replaced')
    expect(readFileSync(join(directory, 'a/link.yaml'), 'utf8')).toBe('1')
    expect(lstatSync(join(directory, 'a/link.yaml')).isSymbolicLink()).toBe(true)
  })

  test('a link that leads nowhere is told when it is read', async () => {
    symlinkSync('none', join(directory, 'a/gone.yaml'))
    const found = await store.paths(join(directory, 'a'))
    expect(found).toContain(join(directory, 'a/gone.yaml'))
    const error = await rejection(store.read(join(directory, 'a/gone.yaml')))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE', causeClass: 'ENOENT' })
  })

  test('what is not there is refused', async () => {
    const error = await rejection(store.paths(join(directory, 'none')))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE', causeClass: 'ENOENT' })
  })
})

describe('other files', () => {
  test('are the regular ones of 16 MiB at most, without those of git and of packages', async () => {
    for (const name of ['.git', 'node_modules']) {
      mkdirSync(join(directory, name))
      writeFileSync(join(directory, name, 'a.txt'), '')
    }
    for (const [name, bytes] of [
      ['.env', 1 << 24],
      ['large.bin', (1 << 24) + 1],
    ] as const) {
      writeFileSync(join(directory, name), '')
      truncateSync(join(directory, name), bytes)
    }
    symlinkSync('none', join(directory, 'a/gone'))
    symlinkSync('loop', join(directory, 'a/loop'))
    symlinkSync('b', join(directory, 'a/c'))
    symlinkSync('../.env', join(directory, 'a/link'))
    const [env, readme] = [join(directory, '.env'), join(directory, 'a/b/README.md')]
    expect(await store.others(directory)).toEqual([env, readme, env])
  })

  test('P1: are not what a killed process left beside the file that it was to replace', async () => {
    const left = `.one.yaml.${randomUUID()}.tmp`
    writeFileSync(join(directory, 'a', left), '')
    writeFileSync(join(directory, 'a', '.one.yaml.mine.tmp'), '')
    const others = await store.others(join(directory, 'a'))
    expect(others.filter((path) => path.endsWith('.tmp'))).toEqual([
      join(directory, 'a', '.one.yaml.mine.tmp'),
    ])
  })

  test('are none beside a file that is named', async () => {
    expect(await store.others(join(directory, 'a/one.yaml'))).toEqual([])
  })
})

test('a place has one name, absolute, whether it is there or not', async () => {
  symlinkSync('a', join(directory, 'c'))
  const names = [relative('.', join(directory, 'a')), join(directory, 'a/'), join(directory, 'c')]
  const places = await Promise.all(names.map((name) => store.place(name)))
  expect(new Set(places)).toEqual(new Set([join(directory, 'a')]))
  expect(await store.place(relative('.', join(directory, 'none')))).toBe(join(directory, 'none'))
})

describe('reading', () => {
  test('a file of 64 MiB at most', async () => {
    const file = join(directory, 'large.yaml')
    writeFileSync(file, '')
    truncateSync(file, 1 << 26)
    expect(await store.read(file)).toHaveLength(1 << 26)
    truncateSync(file, (1 << 26) + 1)
    expect(await rejection(store.read(file))).toMatchObject({ code: 'SM_TOO_LARGE' })
  })

  test('what is no file is refused', async () => {
    const error = await rejection(store.read(join(directory, 'a')))
    expect(error).toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: expect.stringContaining('is no regular file'),
    })
  })
})

describe('replacing', () => {
  test.each([
    ['changed', (file: string) => writeFileSync(file, 'theirs')],
    ['gone', (file: string) => rmSync(file)],
  ])('a file that is %s by now is left so', async (_what, change) => {
    const file = join(directory, 'a/one.yaml')
    change(file)
    const before = await store.read(file).catch(() => undefined)
    expect(await store.replace(file, Buffer.from('one'), Buffer.from('1'))).toBe('changed')
    expect(await store.read(file).catch(() => undefined)).toEqual(before)
  })

  test('any other failure is told', async () => {
    const link = join(directory, 'a/link.yaml')
    symlinkSync('one.yaml', link)
    const error = await rejection(store.replace(link, Buffer.from('one'), Buffer.from('1')))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE' })
    expect(readFileSync(join(directory, 'a/one.yaml'), 'utf8')).toBe('one')
  })
})
