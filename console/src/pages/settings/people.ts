/** Users, teams, roles and projects as documents, and between them and the texts of a form. */
import { fresh, type Document } from '../../api/documents'

export type User = Document<{ title?: string; disabled?: boolean }>
export type Team = Document<{ title?: string; members?: string[]; oidcGroups?: string[] }>
export interface Subjects {
  teams?: string[]
  users?: string[]
}
export interface Scope {
  environments?: string[]
  groups?: string[]
  namespaces?: string[]
}
export type Binding = Document<{ role: string; subjects: Subjects; scope?: Scope }>
export type Project = Document<{ title?: string; admins?: Subjects; namespaces?: { environment: string; names: string[] }[] }>

/** Roles of mission, "Roles", that a RoleBinding may name. */
export const ROLES: [string, string][] = [
  ['platform-admin', 'everything, everywhere; no credential can be read, by nobody'],
  ['environment-admin', 'policies, accesses and exemptions of some environments or groups'],
  ['operator', 'deploy and redeploy where it is granted'],
  ['developer', 'see what they may use, request exemptions, deploy in named namespaces'],
  ['auditor', 'read everything but credentials'],
]

/** Names out of a text, by commas, spaces and lines. */
export const names = (text: string) => text.split(/[\s,]+/).filter(Boolean)

export const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export const nameFault = (name: string) => (NAME.test(name) ? undefined : 'lower-case letters, digits and dashes, up to 63')

/** Without what is empty, so that a document says no more than its form. */
function filled<Spec extends object>(spec: Spec): Spec {
  const kept = Object.entries(spec).filter(([, value]) => value !== '' && value !== undefined && !(Array.isArray(value) && !value.length))
  return Object.fromEntries(kept) as Spec
}

/** The document of a form; what another field of the one before holds, stays. */
export function user(before: User | null, name: string, title: string, disabled: boolean): User {
  return { ...(before ?? fresh('User', name, {})), spec: { ...filled({ title }), ...(disabled ? { disabled } : {}) } }
}

export function team(before: Team | null, name: string, title: string, members: string, oidcGroups: string): Team {
  const groups = oidcGroups.split(/[\n,]+/).map((one) => one.trim()).filter(Boolean)
  return { ...(before ?? fresh('Team', name, {})), spec: filled({ title, members: names(members), oidcGroups: groups }) }
}

export interface BindingForm {
  role: string
  users: string
  teams: string
  environments: string
  groups: string
  namespaces: string
}

export function binding(before: Binding | null, name: string, form: BindingForm): Binding {
  const subjects = filled({ teams: names(form.teams), users: names(form.users) })
  const scope = filled({ environments: names(form.environments), groups: names(form.groups), namespaces: names(form.namespaces) })
  const spec = { role: form.role, subjects, ...(Object.keys(scope).length ? { scope } : {}) }
  return { ...(before ?? fresh('RoleBinding', name, spec)), spec }
}

export const bindingForm = (before: Binding | null): BindingForm => ({
  role: before?.spec.role ?? 'developer',
  users: (before?.spec.subjects.users ?? []).join(', '),
  teams: (before?.spec.subjects.teams ?? []).join(', '),
  environments: (before?.spec.scope?.environments ?? []).join(', '),
  groups: (before?.spec.scope?.groups ?? []).join(', '),
  namespaces: (before?.spec.scope?.namespaces ?? []).join(', '),
})

/** What a binding means, as a sentence: who gets what where. */
export function meaning({ spec: { role, subjects, scope = {} } }: Binding): string {
  const who = [...(subjects.users ?? []), ...(subjects.teams ?? []).map((one) => `everybody in ${one}`)]
  const where = [...(scope.environments ?? []), ...(scope.groups ?? []).map((one) => `the group ${one}`)]
  const spaces = scope.namespaces?.length ? `, in the ${scope.namespaces.length === 1 ? 'namespace' : 'namespaces'} ${scope.namespaces.join(', ')}` : ''
  return `${who.join(', ') || 'Nobody'} ${who.length === 1 && !subjects.teams?.length ? 'is' : 'are'} ${role} ${where.length ? `in ${where.join(', ')}` : 'everywhere'}${spaces}.`
}

/** "prod-eu: shop, shop-jobs", a line for each environment. */
export function spaces(text: string): { environment: string; names: string[] }[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([environment]) => environment?.trim())
    .map(([environment = '', held = '']) => ({ environment: environment.trim(), names: names(held) }))
}

export const spacesText = (found: Project['spec']['namespaces'] = []) => found.map((one) => `${one.environment}: ${one.names.join(', ')}`).join('\n')

export function project(before: Project | null, name: string, title: string, users: string, teams: string, held: string): Project {
  const admins = filled({ teams: names(teams), users: names(users) })
  const spec = filled({ title, namespaces: spaces(held) }) as Project['spec']
  return { ...(before ?? fresh('Project', name, {})), spec: { ...spec, ...(Object.keys(admins).length ? { admins } : {}) } }
}
