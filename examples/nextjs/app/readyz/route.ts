import { secrets } from '../../lib/secrets.ts'

export const dynamic = 'force-dynamic'

export async function GET(): Promise<Response> {
  const { readiness } = await secrets()
  const state = readiness()
  return Response.json(state, { status: state.ready ? 200 : 503 })
}
