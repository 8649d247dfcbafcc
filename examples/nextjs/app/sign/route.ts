import { secrets, unavailable } from '../../lib/secrets.ts'

export const dynamic = 'force-dynamic'

export async function GET(request: Request): Promise<Response> {
  const text = new URL(request.url).searchParams.get('text') ?? ''
  try {
    const { sign } = await secrets()
    return Response.json({ signature: await sign(text) })
  } catch (error) {
    return unavailable(error)
  }
}
