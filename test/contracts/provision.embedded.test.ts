import { embeddedWorld } from './embedded-world.ts'
import { provisionContract } from './provision.ts'

// Vault asks for a CA of the API server all the same.
const CA = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

provisionContract('the embedded stack', () => Promise.resolve(embeddedWorld(CA)))
