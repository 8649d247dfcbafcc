/** Policies that are easily read wrongly, and whether each lets its token decrypt; every one is a policy to Vault. */
export type Case = readonly [name: string, text: string, isGranted: boolean]

const RULE = '{ capabilities = ["update"] }'

export const CORPUS: readonly Case[] = [
  ['exactly', `path "transit/decrypt/app" ${RULE}`, true],
  ['with a quoted key', `"path" "transit/decrypt/app" { "capabilities" = ["update"] }`, true],
  ['with a leading slash', `path "/transit/decrypt/app" ${RULE}`, true],
  ['with two leading slashes', `path "//transit/decrypt/app" ${RULE}`, false],
  ['with a trailing slash', `path "transit/decrypt/app/" ${RULE}`, false],
  ['by a prefix', 'path "transit/*" {\n  capabilities = [ "read", "update" ]\n}', true],
  ['by everything', `path "*" ${RULE}`, true],
  ['by a segment', `path "transit/+/app" ${RULE}`, true],
  ['by segments alone', `path "+/+/+" ${RULE}`, true],
  ['by too few segments', `path "+/+" ${RULE}`, false],
  ['by segments and a prefix', `path "+/decrypt/a*" ${RULE}`, true],
  ['by a plus within a segment', `path "transit/decrypt/ap+" ${RULE}`, false],
  ['by a star within a path', `path "transit/*/app" ${RULE}`, false],
  ['in the old form', 'path "transit/decrypt/app" { policy = "write" }', true],
  ['in the old form, quoted', 'path "transit/decrypt/app" { "policy" = "sudo" }', true],
  ['in the old form, reading', 'path "transit/decrypt/app" { policy = "read" }', false],
  [
    'in the old form, denied',
    'path "transit/decrypt/app" { policy = "deny", capabilities = ["update"] }',
    false,
  ],
  ['in JSON', '{"path":{"transit/decrypt/app":{"capabilities":["update"]}}}', true],
  ['in JSON, a list', '{"path":[{"transit/*":{"policy":"write"}}]}', true],
  [
    'in JSON, denied',
    '{"path":{"transit/*":{"policy":"write"},"transit/decrypt/*":{"capabilities":["deny"]}}}',
    false,
  ],
  ['in JSON, nothing', '{"path":{}}', false],
  [
    'in one line',
    `path "a" ${RULE} path "transit/decrypt/app" ${RULE}, path "b" { policy = "read" },`,
    true,
  ],
  [
    'with windows lines',
    `# a\r\npath "transit/decrypt/app" {\r\n capabilities=["update"]\r\n}`,
    true,
  ],
  [
    'with comments',
    `# a\n// b\n/* path */ path /* c */ "transit/decrypt/app" { # d "\n capabilities = ["update", # e\n ] }`,
    true,
  ],
  ['in a comment alone', `# path "transit/decrypt/app" ${RULE}`, false],
  ['in a long comment alone', `/*\npath "transit/decrypt/app" ${RULE}\n*/`, false],
  [
    'behind a heredoc',
    `path "a" {\n comment = <<EOT\n}\npath "transit/decrypt/app" { policy = "deny" }\nEOT\n capabilities = ["read"]\n}\npath "transit/decrypt/app" ${RULE}`,
    true,
  ],
  [
    'in a heredoc alone',
    `path "a" {\n comment = <<-EOT\n  }\n path "transit/decrypt/app" ${RULE}\n  EOT\n policy = "read"\n}`,
    false,
  ],
  [
    'with parameters',
    'path "transit/decrypt/app" { allowed_parameters = { "context" = ["capabilities", "]"] }\n capabilities = ["update"] }',
    true,
  ],
  [
    'with a block of parameters',
    'path "transit/decrypt/app" {\n allowed_parameters {\n  capabilities = ["deny"]\n }\n capabilities = ["update"] }',
    true,
  ],
  [
    'with lists in two parts',
    'path "transit/*" { capabilities = ["read"] capabilities = ["update"] }',
    true,
  ],
  [
    'denied in one of two lists',
    'path "transit/*" { capabilities = ["update"] capabilities = ["deny"] }',
    false,
  ],
  [
    'with an escaped path',
    'path "transit\\u002fdecrypt/app" { policy = "read" }\npath "transit/*" { policy = "write" }',
    false,
  ],
  [
    'with a dollar',
    `path "transit/decrypt/app" { comment = "$ { } \${x} $" capabilities = ["update"] }`,
    true,
  ],
  ['another key', `path "transit/decrypt/apps" ${RULE}`, false],
  ['another case', `path "transit/decrypt/APP" ${RULE}`, false],
  ['only reading', 'path "transit/decrypt/app" { capabilities = ["read"] }', false],
  ['only creating', 'path "transit/decrypt/app" { capabilities = ["create"] }', false],
  ['no capability', `path "transit/*" ${RULE}\npath "transit/decrypt/app" { }`, false],
  ['denied', 'path "transit/decrypt/app" { capabilities = ["deny", "update"] }', false],
  [
    'denied more exactly',
    `path "transit/*" ${RULE}\npath "transit/decrypt/*" { capabilities = ["deny"] }`,
    false,
  ],
  [
    'denied less exactly',
    `path "transit/*" { policy = "deny" }\npath "transit/decrypt/*" ${RULE}`,
    true,
  ],
  [
    'denied for a segment, granted by a longer prefix',
    `path "transit/+/app" { policy = "deny" }\npath "transit/d*" ${RULE}`,
    true,
  ],
  [
    'denied by an exact path, granted for a segment',
    `path "transit/+/app" ${RULE}\npath "transit/decrypt/app" { policy = "deny" }`,
    false,
  ],
  ['a block without a path', `path ${RULE}`, false],
  ['nothing', '', false],
]
