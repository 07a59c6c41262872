/** The access of a name, as changes are made out of it. */
import { pathOf, send } from '../../api/client'
import { asProblem } from '../../api/problem'
import type { Access, LookUp } from './grants'

/** Each name is asked for once: places of one grant share a document. */
export function lookingUp(): LookUp {
  const asked = new Map<string, Promise<Access | null>>()
  return (name) => {
    const known = asked.get(name)
    if (known) return known
    const found = send<Access>(pathOf('access', name)).catch((error: unknown) => {
      if (asProblem(error).status === 404) return null
      throw error
    })
    asked.set(name, found)
    return found
  }
}
