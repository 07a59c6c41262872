/** Registries as the API tells them, and what is to be said of them in one word. */
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import type { Document } from '../../api/documents'
import type { components } from '../../api/schema'

export type Overview = components['schemas']['RegistryOverview']
export type Check = components['schemas']['Check']
export type Used = components['schemas']['Used']
export type StoredCredential = components['schemas']['StoredCredential'] & {
  token?: { issuedAt: string; expiresAt: string; state: string } | null
}
export type GrantedIn = components['schemas']['GrantedIn']
export type Vantage = components['schemas']['Vantage']
export type HostNeed = components['schemas']['HostNeed']

/** One registry as it stands. */
export type WholeOverview = Overview & {
  credentials: StoredCredential[]
  checks: Check[] | null
  grantedIn: GrantedIn[]
  grantedInTotal: number
  vantages: Vantage[]
  vantagesTotal: number
  hosts: HostNeed[]
}

export interface CredentialSpec {
  purpose: 'pull' | 'management'
  method: string
  parameters?: Record<string, string>
  expiresAt?: string
}

export interface RegistrySpec {
  provider: string
  host: string
  path?: string
  title?: string
  project?: string
  tokenRealm?: string
  tls?: { caBundle?: string; insecureSkipVerify?: boolean; plainHTTP?: boolean }
  credentials?: CredentialSpec[]
}

export type RegistryDocument = Document<RegistrySpec>

export interface MethodField {
  name: string
  label: string
  required: boolean
  example: string
  hint: string
}

export interface Method {
  name: string
  title: string
  /** What its secret is called. */
  secret: string
  /** Whether such a credential can end. */
  ends: boolean
  tokenLifeSeconds: number | null
  needs: string[]
  advice: string
  fields: MethodField[]
}

export interface Provider {
  name: string
  title: string
  anonymous: boolean
  public: boolean
  browse: 'catalog' | 'api' | 'inventory'
  deletes: boolean
  notes: string[]
  methods: Method[]
}

/** What a pasted text was taken for. */
export interface Claim {
  provider: string
  host: string
  path: string
  certain: boolean
  parameters: Record<string, string>
  note: string
  instead: string
}

export function useProviders() {
  return useQuery({
    queryKey: ['providers'],
    queryFn: async () => (await send<{ items: Provider[] }>('/api/v1/providers')).items,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export function useOverview(name: string) {
  return useQuery({
    queryKey: ['registry', name],
    queryFn: () => send<WholeOverview>(pathOf('registries', name, 'overview')),
    refetchInterval: 30_000,
  })
}

/** Health is of what is delivered and of what the registry last said: never good while nobody has asked it. */
export function healthOf(row: Pick<Overview, 'ready' | 'check'>): string {
  const { status, reason } = row.ready
  if (reason === 'CredentialsExpired') return 'Expired'
  if (status === 'False') return reason === 'Unreachable' ? 'Unreachable' : 'Failing'
  if (status === 'Unknown' || !row.check) return 'Unknown'
  if (row.check.outcome === 'failed') return UNREACHABLE.has(row.check.reason ?? '') ? 'Unreachable' : 'Failing'
  if (reason === 'CredentialsExpiring') return 'Expiring'
  if (reason === 'Unauthorized' || reason === 'Unreachable') return 'Failing'
  return row.check.outcome === 'ok' ? 'Ready' : 'Unknown'
}

const UNREACHABLE = new Set(['no_answer', 'name_unknown_host', 'connection_refused', 'address_refused'])

/** Why, in a few words beside the health. */
export function reasonOf(row: Pick<Overview, 'ready' | 'check'>): string {
  if (row.ready.status !== 'True') return row.ready.message
  if (!row.check) return 'nobody has checked it yet'
  if (row.check.outcome === 'failed') return `the last check failed: ${row.check.reason ?? 'see its stages'}`
  if (row.check.outcome === 'unknown') return 'the last check could not judge every stage'
  return row.ready.message
}

/** A name that a document may have, made of host and path. */
export function nameFor(host: string, path: string): string {
  return `${host.replace(/:\d+$/, (port) => port.replace(':', '-'))}-${path}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '')
}

/** "1 namespace", "3 namespaces". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
