/** What one's own account holds: sessions and tokens, as the API answers them. */
export interface Session {
  id: string
  by: string
  createdAt: string
  seenAt: string
  expiresAt: string
  current: boolean
}

export interface Token {
  id: string
  title: string
  scope: { readOnly: boolean; kinds?: string[] }
  createdAt: string
  expiresAt: string
  usedAt: string | null
}

/** Ways in which somebody has signed in. */
export const WAYS: Record<string, string> = { password: 'password', link: 'one-time link', oidc: 'identity provider', token: 'token' }

/** Kinds that a token may be narrowed to (core/permissions.py). */
export const TOKEN_KINDS = [
  'registry', 'credential', 'registry-access', 'registry-policy', 'exemption', 'environment', 'environment-group', 'namespace',
  'workload', 'project', 'team', 'role-binding', 'user', 'audit', 'settings',
]

export function scopeOf({ scope }: Token): string {
  return [scope.readOnly ? 'reads only' : 'as you', scope.kinds ? `for ${scope.kinds.join(', ')}` : ''].filter(Boolean).join(', ')
}

/** Days that a token lives at most. */
export const LONGEST_DAYS = 366

export const day = (now: number, days: number) => new Date(now + days * 86_400_000).toISOString().slice(0, 10)

export function tokenFault(until: string, now: number): string | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(until) || Number.isNaN(Date.parse(until))) return 'a day, as 2027-01-31'
  if (Date.parse(until) <= now) return 'a day to come'
  return until > day(now, LONGEST_DAYS) ? `at most ${LONGEST_DAYS} days` : undefined
}
