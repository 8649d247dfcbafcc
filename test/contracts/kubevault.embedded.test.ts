import { embeddedWorld } from './embedded-world.ts'
import { kubevaultContract } from './kubevault.ts'

kubevaultContract('the embedded stack', () => Promise.resolve(embeddedWorld()))
