import { authoringContract } from './authoring.ts'
import { embeddedWorld } from './embedded-world.ts'

authoringContract('the embedded stack', () => Promise.resolve(embeddedWorld()))
