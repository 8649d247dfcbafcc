/** The login that a configuration asks for. */
import type { AuthSettings } from '../config/settings.ts'
import type { Runtime } from '../runtime.ts'
import { jwtLogin, type JwtSource } from './jwt-login.ts'
import type { Login } from './login.ts'

/**
 * Gives the login of an auth method. Those that few reads need are loaded when they are first used.
 *
 * @param jwtSource - gives the JWT of the methods that need one
 */
export function loginOf(auth: AuthSettings, jwtSource: JwtSource, runtime: Runtime): Login {
  switch (auth.method) {
    case 'kubernetes':
    case 'jwt':
      return jwtLogin(auth, jwtSource)
    case 'approle':
      return loaded(async () => (await import('./approle-login.ts')).approleLogin(auth, runtime))
    case 'gcp':
      return loaded(async () => (await import('./gcp-login.ts')).gcpLogin(auth, runtime))
    case 'token':
      return loaded(async () => (await import('./token-login.ts')).tokenLogin(auth, runtime))
    case 'custom':
      return loaded(async () =>
        (await import('./custom-login.ts')).customLogin(auth.login, runtime),
      )
  }
}

/** Loaded once, because some logins remember what became of their credentials. */
function loaded(load: () => Promise<Login>): Login {
  let loading: Promise<Login> | undefined
  return async (client, allowance) => {
    loading ??= load()
    const login = await loading
    return login(client, allowance)
  }
}
