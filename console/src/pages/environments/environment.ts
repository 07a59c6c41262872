/** Environments as the API answers them, and what their state is called. */
import type { Condition, Document, EnvironmentType, Tier } from '../../api/documents'

export interface EnvironmentSpec {
  type?: EnvironmentType
  tier: Tier
  group: string
  title?: string
}

export interface AgentStatus {
  state: 'none' | 'active' | 'suspended' | 'revoked' | 'local' | string
  connected: boolean
  lastSeen: string | null
  cluster: string | null
  enrolledAt: string | null
  certificateExpiresAt: string | null
}

/** A type and not an interface, so that it is one of plain values. */
export type EnvironmentStatus = {
  agent?: AgentStatus
  generation?: number
  reportedAt?: string
  conditions?: Condition[]
  phase?: 'Active' | 'Leaving'
  leaving?: { since?: string; by?: string; left?: string[] }
  policy?: string
  kubernetes?: string
  cannotRestrict?: string
  namespaces?: number
  images?: number
  enforcement?: string
  health?: string
}

export type Environment = Document<EnvironmentSpec, EnvironmentStatus>

export const TIERS: Tier[] = ['development', 'staging', 'production']

export const TIER_WORDS: Record<Tier, string> = {
  development: 'Images may come from public registries. Docker Hub without signing in is shown, unless an administrator hides it.',
  staging: 'Whole public registries cannot be approved, and Docker Hub without signing in is hidden.',
  production: 'As staging; and a credential that never expires is refused where the provider supports expiry.',
}

export const TYPES: [EnvironmentType, string][] = [
  ['kubernetes', 'Kubernetes cluster'],
  ['docker', 'Docker host'],
  ['swarm', 'Docker Swarm'],
]

export function typeWords(type: EnvironmentType | undefined): string {
  return TYPES.find(([key]) => key === (type ?? 'kubernetes'))?.[1] ?? String(type)
}

export function isKubernetes(environment: Environment): boolean {
  return (environment.spec.type ?? 'kubernetes') === 'kubernetes'
}

/** Whether pulls go on working; what nobody has told is unknown. */
export function healthOf(status: EnvironmentStatus | undefined): string {
  return status?.health ?? 'Unknown'
}

const AGENT_WORDS: Record<string, string> = {
  none: 'never enrolled',
  active: 'enrolled',
  suspended: 'suspended: two have held its identity',
  revoked: 'shut out',
  local: 'the control plane itself',
}

export function agentWords(agent: AgentStatus | undefined): string {
  return AGENT_WORDS[agent?.state ?? 'none'] ?? agent?.state ?? 'unknown'
}
