/** Environment groups as the API answers them. */
import type { Document, EnvironmentType, Tier } from '../../api/documents'

export type Group = Document<{ type?: EnvironmentType; title?: string }, { coveredBy?: string; environments?: string[] }>

export type Member = Document<
  { type?: EnvironmentType; tier: Tier; group: string; title?: string },
  { enforcement?: string; policy?: string; cannotRestrict?: string; agent?: { state: string; connected: boolean; lastSeen: string | null } }
>

export const TYPE_WORDS: Record<string, string> = { kubernetes: 'Kubernetes clusters', docker: 'Docker hosts', swarm: 'Docker Swarms' }

/** Whether the environment may be in the group: both are of one type. */
export function fits(member: Member, group: Group): boolean {
  return (member.spec.type ?? 'kubernetes') === (group.spec.type ?? 'kubernetes')
}
