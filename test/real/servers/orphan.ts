/** Starts a server and ends without stopping it, or waits to be killed: see servers.test.ts. */
import { startVault } from '../servers.ts'

const { port, directory } = await startVault()
process.stdout.write(`${JSON.stringify({ port, directory })}\n`)
if (process.argv[2] === 'exit') process.exit()
