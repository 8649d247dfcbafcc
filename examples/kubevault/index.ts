/** Reads a dictionary by the KUBEVAULT pattern, as a service does when it starts. */
import { readFile } from 'node:fs/promises'
import { loadConfig, names, SecretManager, type SecretDef } from 'secretmanager'

const [configFile = 'secretcfg.json', definitionFile = 'secretdef.json'] = process.argv.slice(2)
const definition: SecretDef = JSON.parse(await readFile(definitionFile, 'utf8'))
const { secret_name, namespace, read_type, read_key, transit_key } = definition

const sm = new SecretManager(await loadConfig({ file: configFile }))
const secrets = await sm.readSecrets(secret_name, namespace, read_type, read_key, transit_key)
await sm.close()

// A value taken out is a plain string: use it, and log that it is there, not what it is.
const { redis_url } = secrets
console.log(`${secret_name} holds ${names(secrets).join(', ')}`)
console.log(`redis_url is ${redis_url === undefined ? 'missing' : 'there'}`)
