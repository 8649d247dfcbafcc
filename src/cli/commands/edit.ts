import type { Command } from 'commander'

import { isUnchanged, problemOf, readDraft, storeDraft, type Draft } from '../../authoring/edit.ts'
import type { Definition } from '../../config/definition.ts'
import type { Core } from '../../core.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../../errors.ts'
import { withCore } from '../core.ts'
import { openEditor } from '../editor.ts'
import { processInput, type Input } from '../input.ts'
import { printError } from '../output.ts'
import { createPrivateFile, privateParent, type PrivateFile } from '../private-file.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'

/** Adds `secretmanager edit`: opens a document in an editor. */
export function addEditCommand(program: Command, context: Context): void {
  const command = program
    .command('edit')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('open a document in $VISUAL or $EDITOR, and store what was changed')
    .option('--create', 'begin with an empty dictionary if there is none')
    .option('--allow-disk', 'accept plaintext on a disk where nothing is in memory')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => edit(name, values, context))
}

const MORE = `
The plaintext is in a file in memory that only you can read. It
is gone when the editor ends, however that happens. What editors
keep elsewhere is up to them; for vim:
  EDITOR='vim -n -i NONE -c "set noundofile"' secretmanager edit app`

/** One document while it is edited. */
interface Editing {
  readonly core: Core
  readonly definition: Definition
  readonly draft: Draft
  readonly file: PrivateFile
  readonly context: Context
  readonly input: Input
}

async function edit(name: string | undefined, values: FlagValues, context: Context): Promise<void> {
  const { runtime, output, interrupt: signal } = context
  const settings = await settingsOf(name, values, runtime)
  // Before any call: nobody should wait for a refusal.
  const parent = await privateParent(values['allowDisk'] === true, runtime)
  await withCore(settings, context, async (core, definition) => {
    const create = values['create'] === true
    const draft = await readDraft(core, definition, { create, signal })
    const file = await createPrivateFile(parent, `${definition.secretName}.json`, draft.document)
    const input = context.input ?? processInput(process)
    try {
      const written = await inEditor({ core, definition, draft, file, context, input })
      const where = `${definition.readKey} of ${definition.secretName}`
      output.notes.line(written ? `stored ${where}` : `${where} is unchanged; nothing was written`)
    } finally {
      file.remove()
    }
  })
}

/** @returns whether anything was written */
async function inEditor(editing: Editing): Promise<boolean> {
  const { draft, file, core, definition, context } = editing
  for (;;) {
    await openEditor(file, context.runtime, context.interrupt)
    const edited = await file.read()
    if (isUnchanged(draft, edited)) return false
    const problem = problemOf(core, definition, edited)
    if (!problem) return stored(editing, edited)
    await mayGoOn(editing, problem, 'edit it again?')
  }
}

/** A text that took an hour must not be lost to a server that is away for a minute. */
async function stored(editing: Editing, edited: Uint8Array): Promise<boolean> {
  const { core, definition, draft, context } = editing
  for (;;) {
    try {
      return await storeDraft(core, definition, draft, edited, { signal: context.interrupt })
    } catch (error) {
      if (!isSecretManagerError(error) || context.interrupt.aborted) throw error
      if (error.code === 'SM_K8S_CONFLICT') throw await kept(error, editing.file)
      await mayGoOn(editing, error, 'try to store it again?')
    }
  }
}

/** @throws the failure, unless there is somebody who wants to go on */
async function mayGoOn(
  { input, context }: Editing,
  error: SecretManagerError,
  question: string,
): Promise<void> {
  if (!input.isTerminal) throw error
  printError(context.output, error)
  if (await input.confirm(question, 'yes', context.interrupt)) return
  throw new SecretManagerError(error.code, 'given up; nothing was written', { hint: error.hint })
}

/** The one case in which plaintext stays: nobody else has the text, and only its author can say what becomes of it. */
async function kept(error: SecretManagerError, file: PrivateFile): Promise<SecretManagerError> {
  await file.keep()
  return withFacts(
    new SecretManagerError(
      'SM_K8S_CONFLICT',
      `${error.message}; nothing was written, and your text is in ${file.path}, in plaintext`,
      { attempts: error.attempts },
    ),
    {
      hint: `open the new version with secretmanager edit, take over from that file what you want, then: rm -r ${file.directory}`,
    },
  )
}
