import { embeddedWorld } from './embedded-world.ts'
import { rotationContract } from './rotation.ts'

rotationContract('the embedded stack', () => Promise.resolve(embeddedWorld()))
