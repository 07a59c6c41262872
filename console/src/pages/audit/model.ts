/** Events as the API answers them (docs/spec/audit.md), and the filters of their list. */
import type { Filter } from '../../parts/Rows'

export interface AuditEvent {
  sequence: number
  time?: string
  actor?: { principal: string; onBehalfOf?: string; via: { kind: string; id: string } }
  action?: string
  object?: { kind: string; name: string; environment?: string; project?: string }
  outcome?: string
  reason?: string
  request?: string
  agent?: { id: string; generation: number }
  before?: string
  after?: string
  /** The stored leaf is not what was written. */
  damaged?: boolean
}

export interface WholeEvent extends AuditEvent {
  /** The leaf of the tree, in base64. */
  leaf: string
  standing: { kind: string; name: string; same: boolean } | null
}

const ACTIONS = [
  'access.grant', 'access.refuse', 'access.revoke', 'agent.enrol', 'agent.renew', 'agent.revoke', 'agent.suspend',
  'api_token.create', 'api_token.revoke', 'audit.export', 'credential.destroy', 'credential.expiring', 'credential.retire',
  'credential.rotate', 'credential.set', 'egress.export', 'environment.create', 'environment.delete', 'environment.enrol',
  'environment.leave', 'environment.update', 'exemption.approve', 'exemption.deny', 'exemption.renew', 'exemption.request',
  'exemption.revoke', 'group.create', 'group.delete', 'group.update', 'image.delete', 'image.deploy', 'image.tag',
  'key.destroy', 'key.rotate', 'lease.close', 'lease.open', 'password.set', 'policy.create', 'policy.delete',
  'policy.promote', 'policy.roll_back', 'policy.update', 'project.create', 'project.delete', 'project.update',
  'pull_secret.deliver', 'pull_secret.withdraw', 'registry.create', 'registry.delete', 'registry.update',
  'registry.validate', 'role.grant', 'role.revoke', 'session.end', 'session.start', 'settings.update',
  'sign_in_link.create', 'token.mint', 'user.create', 'user.delete', 'user.link', 'user.update',
]

const KINDS = [
  'access', 'agent', 'api_token', 'audit_log', 'credential', 'environment', 'exemption', 'group', 'image', 'key', 'lease',
  'namespace', 'policy', 'project', 'pull_secret', 'registry', 'role', 'session', 'settings', 'user', 'workload',
]

export const OUTCOMES: [string, string][] = [
  ['done', 'done'],
  ['refused', 'refused: nothing was changed'],
  ['intended', 'intended'],
  ['failed', 'failed'],
]

export const FILTERS: Filter[] = [
  { name: 'q', title: 'Text in any field' },
  { name: 'principal', title: 'Who' },
  { name: 'action', title: 'Action', options: ACTIONS },
  { name: 'kind', title: 'Kind', options: KINDS },
  { name: 'name', title: 'Name' },
  { name: 'outcome', title: 'Outcome', options: OUTCOMES },
  { name: 'environment', title: 'Environment' },
  { name: 'project', title: 'Project' },
  { name: 'request', title: 'Request id' },
  { name: 'order', title: 'Order', any: 'the newest first', options: [['oldest', 'the oldest first']] },
]

/** Where an object of an event is shown in the console, if it has a page. `kind` is the plural of `standing`. */
const PAGES: Record<string, string> = {
  registries: 'registries',
  policies: 'policies',
  environments: 'environments',
  groups: 'groups',
  exemptions: 'exemptions',
}

export function pageOf(kind: string): string | undefined {
  return PAGES[kind]
}
