/** Commands that change something, and what they leave behind where nobody disturbs them. */
import { DATA_KEY, type Role, type Situation, type Stock } from './place.ts'

/** A command that is killed. */
export interface Subject {
  readonly name: string
  readonly role: Role
  readonly stock: Stock
  readonly args: (situation: Situation) => readonly string[]
  /** Whether it adds a version to the key. */
  readonly isRotating?: boolean
  readonly stdin?: (situation: Situation) => string
  /** How a run that finds all of it done refuses; absent: it has nothing to do, and ends well. */
  readonly refusal?: { readonly code: number; readonly says: string }
}

const SEALED: Stock = { kind: 'sealed' }
const ONE: Stock = { ...SEALED, names: ['a', 'b'] }
const FILES = { where: 'files', names: ['a', 'current', 'map'] } as const
const entry = ['--key', DATA_KEY]
const under = ({ key }: Situation): string[] => ['--transit-key', key]
const from = ({ key }: Situation): string[] => ['--from-transit-key', `${key}-old`]

export const REWRAP: Subject = {
  name: 'rewrap',
  role: 'rotator',
  stock: SEALED,
  args: (it) => ['rewrap', ...under(it)],
}

export const ROTATE: Subject = {
  name: 'rotate',
  role: 'rotator',
  stock: SEALED,
  isRotating: true,
  args: (it) => ['rotate', ...under(it)],
}

export const ROTATE_COMPAT: Subject = {
  name: 'rotate --compat',
  role: 'original',
  stock: { kind: 'original', names: ['a', 'current'] },
  isRotating: true,
  args: (it) => {
    const named = ['a', 'current', ...entry, '--format', 'raw']
    return ['rotate', ...named, '--compat', ...under(it)]
  },
}

export const RETIRE: Subject = {
  name: 'retire',
  role: 'rotator',
  stock: { ...SEALED, isCurrent: true },
  args: (it) => ['retire', ...under(it), '--keep', '0', '--settle', '0s', '--yes'],
}

export const RETIRE_TRIM: Subject = {
  ...RETIRE,
  name: 'retire --trim',
  role: 'trimmer',
  args: (it) => [...RETIRE.args(it), '--trim'],
}

export const UNRETIRE: Subject = {
  name: 'unretire',
  role: 'rotator',
  stock: { ...SEALED, isCurrent: true, isRetired: true },
  args: (it) => ['unretire', ...under(it)],
}

export const ROLLBACK: Subject = {
  name: 'rollback',
  role: 'author',
  stock: ONE,
  args: (it) => ['rollback', 'a', '--from', '-', ...entry, ...under(it)],
  stdin: ({ earlier }) => earlier,
  refusal: { code: 2, says: 'has this content already' },
}

export const ADOPT: Subject = {
  name: 'adopt',
  role: 'author',
  stock: { kind: 'adoptable', names: ['a', 'b'] },
  args: (it) => ['adopt', 'a', ...entry, ...under(it), ...from(it), '--yes'],
}

export const SET: Subject = {
  name: 'set',
  role: 'author',
  stock: ONE,
  args: (it) => ['set', 'a', 'entry', '--from', '-', ...entry, ...under(it)],
  stdin: () => 'canary-new',
}

export const EDIT: Subject = {
  name: 'edit',
  role: 'author',
  stock: ONE,
  args: (it) => ['edit', 'a', ...entry, ...under(it)],
}

export const ADOPT_FILES: Subject = {
  name: 'adopt --files',
  role: 'author',
  stock: { kind: 'adoptable', ...FILES },
  args: (it) => ['adopt', '--files', it.files, ...under(it), ...from(it), '--yes'],
}

export const REWRAP_FILES: Subject = {
  name: 'rewrap --files',
  role: 'rotator',
  stock: { ...SEALED, ...FILES },
  args: (it) => ['rewrap', '--files', it.files, ...under(it)],
}
