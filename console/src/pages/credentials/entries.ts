/** Entries of the calendar as the API answers them, and what they are called. */
import { here } from '../../parts/Go'

export interface Entry {
  lane: 'credential' | 'token' | 'exemption'
  name: string
  expiresAt: string | null
  daysLeft: number | null
  level: string
  registry: string | null
  purpose: string | null
  project: string | null
  /** Whether the provider lets such a credential end. */
  canEnd: boolean
  impact: { grants: number; namespaces: number; environments: number }
}

export type Look = 'good' | 'unknown' | 'bad' | 'warning' | 'watching' | 'off'

/** How near its end is, in words and with a look. What never ends is never good. */
export function levelOf(entry: Entry): { look: Look; words: string } {
  if (entry.level === 'never') return { look: 'bad', words: 'never ends' }
  if (entry.level === 'overdue') return { look: 'bad', words: entry.lane === 'token' ? 'not renewed' : 'ended' }
  if (entry.level === 'ok') return { look: 'good', words: 'not near its end' }
  return { look: Number(entry.level) <= 7 ? 'bad' : 'warning', words: `ends within ${entry.level} ${entry.level === '1' ? 'day' : 'days'}` }
}

export const LANES: Record<Entry['lane'], string> = {
  credential: 'Credential',
  token: 'Token',
  exemption: 'Exemption',
}

/** What stands still once it has ended. */
export function impactOf({ lane, impact }: Entry): string {
  const parts = [
    ...(lane === 'exemption' ? [] : [count(impact.grants, 'grant')]),
    lane === 'exemption' && !impact.namespaces ? 'every namespace' : count(impact.namespaces, 'namespace'),
    count(impact.environments, 'environment'),
  ]
  return parts.join(', ')
}

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`

/** Where it is renewed. */
export function placeOf(entry: Entry): string {
  if (entry.lane === 'exemption') return here('exemptions', entry.name)
  return here('registries', entry.registry ?? '')
}

/** What renews it. */
export function commandOf(entry: Entry): string[] {
  if (entry.lane === 'exemption') return ['exempt', 'renew', entry.name, '--expires-at', 'TIME']
  return ['rotate', 'registry', entry.registry ?? '']
}
