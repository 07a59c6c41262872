/** Who is signed in, and what they may do. */
import { useQuery } from '@tanstack/react-query'

import { send } from './client'
import { asProblem, Problem } from './problem'

export interface Role {
  role: string
  source: string
  project?: string
  scope: { environments?: string[]; groups?: string[]; namespaces?: string[] }
}

export interface Me {
  user: string
  title: string
  teams: string[]
  roles: Role[]
  signedIn: { by: string; expiresAt: string; session?: string }
  /** Kind → what they may do with some object of it: the server decides on each one. */
  may: Record<string, string[]>
  /** Kind → action → the roles that may. */
  whoMay: Record<string, Record<string, string[]>>
  /** Who really asks, where a platform-admin looks at what the user sees. */
  askedBy?: string
}

export function useMe() {
  return useQuery<Me | null>({
    queryKey: ['me'],
    queryFn: async () => {
      try {
        return await send<Me>('/api/v1/me')
      } catch (error) {
        if (asProblem(error).status === 401) return null
        throw error
      }
    },
    staleTime: 60_000,
  })
}

/** Whether the reader may look at the console as another user does. */
export function seesAsOthers(me: Me | null | undefined): boolean {
  return !!me && !me.askedBy && me.roles.some((one) => one.role === 'platform-admin')
}

export interface May {
  allowed: boolean
  /** Who can, as a sentence; "" if the reader can. */
  who: string
}

/** Whether the reader may do something with objects of a kind at all, and otherwise who can. */
export function useMay(kind: string, action: string): May {
  const { data: me } = useMe()
  if (!me) return { allowed: false, who: 'sign in first' }
  if (me.may[kind]?.includes(action)) return { allowed: true, who: '' }
  const roles = me.whoMay[kind]?.[action] ?? []
  return { allowed: false, who: roles.length ? `${roles.join(' or ')} can do this` : 'nobody can do this' }
}

/** Whether a failure means that nobody is signed in any more. */
export function signedOut(error: unknown): boolean {
  return error instanceof Problem && error.status === 401
}
