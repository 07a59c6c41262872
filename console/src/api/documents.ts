/** Documents as the API answers them (design: documents; docs/api.md). */

export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason?: string
  message?: string
  lastTransitionTime?: string
  observedGeneration?: number
}

export interface Document<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  spec: Spec
  status?: Status & {
    uid?: string
    etag?: string
    observedGeneration?: number
    createdAt?: string
    updatedAt?: string
    conditions?: Condition[]
  }
}

export interface List<Row> {
  kind: string
  /** Lists that are not counted have no total. */
  metadata: { revision: number; total?: number; continue?: string; [more: string]: unknown }
  items: Row[]
}

export type Tier = 'development' | 'staging' | 'production'
export type Stage = 'off' | 'audit' | 'warn' | 'deny'
export type EnvironmentType = 'kubernetes' | 'docker' | 'swarm'
export type Mode = 'standing' | 'workload' | 'lease' | 'node' | 'cluster-identity'

export const API_VERSION = 'portreeve.io/v1'

/** Kind → the plural in its routes. */
export const PLURALS: Record<string, string> = {
  Registry: 'registries',
  RegistryAccess: 'access',
  RegistryPolicy: 'policies',
  Exemption: 'exemptions',
  Environment: 'environments',
  EnvironmentGroup: 'groups',
  Project: 'projects',
  Team: 'teams',
  RoleBinding: 'rolebindings',
  User: 'users',
}

/** A document that does not exist yet. */
export function fresh<Spec>(kind: string, name: string, spec: Spec): Document<Spec> {
  return { apiVersion: API_VERSION, kind, metadata: { name }, spec }
}

/** A document as it is sent: what only the server knows is left out. */
export function bare<Spec>(document: Document<Spec>): Document<Spec> {
  const { status: _status, ...rest } = document
  return rest
}

/** A row as it would be written down: a document as it is applied, anything else as it was answered. */
export function asSent(row: unknown): unknown {
  return typeof row === 'object' && row !== null && 'apiVersion' in row && 'metadata' in row ? bare(row as unknown as Document) : row
}

/** What people call it: its title, or its name. */
export function titleOf(document: Document<{ title?: string }>): string {
  return document.spec.title || document.metadata.name
}
