/**
 * A policy while it is written: what the form holds, and the document that it stands for.
 *
 * What a form cannot show (match expressions, delivery to named ServiceAccounts) is kept as it was read. What is wrong
 * with a draft the server says (`POST /api/v1/policies/effect`); here is only what a form needs before it can ask.
 */
import { fresh, type Document, type Stage } from '../../api/documents'

export type PolicyType = 'kubernetes' | 'docker'

export interface Namespaces {
  names?: string[]
  selector?: { matchLabels?: Record<string, string>; matchExpressions?: unknown[] }
}

export interface Subjects {
  teams?: string[]
  users?: string[]
}

export interface Access {
  registry: string
  namespaces?: Namespaces
  subjects?: Subjects
  delivery?: { mode?: string; serviceAccounts?: unknown }
}

export type Scope = 'Global' | { namespaces: string[] }

export interface Source {
  prefix: string
  scope: Scope
  note?: string
}

export interface PolicySpec {
  type?: PolicyType
  title?: string
  groups?: string[]
  access?: Access[]
  restrict?: { stage?: Stage; includeGrantedRegistries?: boolean; allowedSources?: Source[] }
  allowOverride?: boolean
}

export type PolicyDocument = Document<PolicySpec, PolicyStatus>

export type PolicyStatus = {
  sources?: number
  environments?: string[]
  enforcedBy?: string
  moved?: { from: string; to: string; by: string; at: string; forced: boolean; reason?: string } | null
}

export interface Draft {
  type: PolicyType
  /** What people call it; the name that others refer to follows from it until the policy is stored. */
  called: string
  /** The stored document that is edited, or null for a new one. */
  stored: PolicyDocument | null
  groups: string[]
  access: Access[]
  restrict: boolean
  stage: Stage
  includeGranted: boolean
  sources: Source[]
  allowOverride: boolean
}

export const MAX_NAME = 63

/** A DNS label made of any text: what others refer to. Source: RFC 1123, 2.1. */
export function nameOf(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME)
    .replace(/^-+|-+$/g, '')
}

/** The name of the document that a draft stands for; "" as long as there is none. */
export function documentName(draft: Draft): string {
  return draft.stored ? draft.stored.metadata.name : nameOf(draft.called)
}

export function empty(type: PolicyType): Draft {
  return {
    type,
    called: '',
    stored: null,
    groups: [],
    access: [],
    restrict: false,
    stage: 'off',
    includeGranted: true,
    sources: [],
    allowOverride: false,
  }
}

/** The draft of a document: of a stored one, or of a template's, which has no name of its own yet. */
export function draftOf(document: PolicyDocument, stored: boolean): Draft {
  const { spec } = document
  const restrict = spec.restrict ?? {}
  const stage = restrict.stage ?? 'off'
  return {
    type: spec.type ?? 'kubernetes',
    called: stored ? spec.title || document.metadata.name : '',
    stored: stored ? document : null,
    groups: spec.groups ?? [],
    access: spec.access ?? [],
    restrict: stage !== 'off' || Boolean(restrict.allowedSources?.length),
    stage,
    includeGranted: restrict.includeGrantedRegistries ?? true,
    sources: restrict.allowedSources ?? [],
    allowOverride: spec.allowOverride ?? false,
  }
}

/** The document of a draft. Without the toggle nothing is restricted, and rows that were written stay for another day. */
export function documentOf(draft: Draft, name = documentName(draft)): PolicyDocument {
  const title = draft.called.trim() === name ? '' : draft.called.trim()
  const spec: PolicySpec = {
    type: draft.type,
    groups: draft.groups,
    access: draft.access,
    restrict: {
      stage: draft.restrict ? draft.stage : 'off',
      includeGrantedRegistries: draft.includeGranted,
      allowedSources: draft.sources,
    },
    allowOverride: draft.allowOverride,
    ...(title ? { title } : {}),
  }
  if (!draft.stored) return fresh('RegistryPolicy', name, spec)
  return { ...draft.stored, spec }
}

/** What the form itself can say before the server is asked. */
export function missing(draft: Draft): { called?: string; groups?: string; access?: string } {
  const found: { called?: string; groups?: string; access?: string } = {}
  if (!draft.called.trim()) found.called = 'Give the policy a name.'
  else if (!documentName(draft)) found.called = 'The name needs a letter or a digit of the Latin alphabet.'
  if (!draft.groups.length) found.groups = 'Choose at least one environment group.'
  if (!draft.access.length && !draft.restrict) found.access = 'Add an access, or restrict to allowed sources: as it is, the policy does nothing.'
  return found
}

/** Texts separated by commas or blanks, each once. */
export function words(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))]
}

/** `team=shop, tier=backend` as match labels; null if a part is no pair. */
export function labels(text: string): Record<string, string> | null {
  const found: Record<string, string> = {}
  for (const part of words(text)) {
    const [key = '', value, ...rest] = part.split('=')
    if (!key || value === undefined || rest.length) return null
    found[key] = value
  }
  return found
}

/** Namespaces as people read them. */
export function namespacesText(chosen: Namespaces | undefined): string {
  const names = chosen?.names ?? []
  const selector = chosen?.selector
  if (!selector) return names.join(', ') || 'none'
  const pairs = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  const more = selector.matchExpressions?.length ? [`${selector.matchExpressions.length} expressions`] : []
  const by = [...pairs, ...more]
  const selected = by.length ? `all with ${by.join(', ')}` : 'all'
  return names.length ? `${names.join(', ')} and ${selected}` : selected
}

export function subjectsText(chosen: Subjects | undefined): string {
  const parts = [...(chosen?.teams ?? []).map((one) => `team ${one}`), ...(chosen?.users ?? [])]
  return parts.join(', ') || 'everybody with a role there'
}

export function scopeText(scope: Scope): string {
  return scope === 'Global' ? 'Global' : scope.namespaces.join(', ')
}

/** What tells accesses, and sources, apart in a table. */
export function accessKey(access: Access): string {
  return JSON.stringify([access.registry, access.namespaces ?? null, access.subjects ?? null])
}

export function sourceKey(source: Source): string {
  return JSON.stringify([source.prefix, source.scope])
}

/** With one more row; a row that is there already stays as it is. */
export function added<Row>(rows: Row[], row: Row, key: (row: Row) => string): Row[] {
  return rows.some((one) => key(one) === key(row)) ? rows : [...rows, row]
}

/** Without the rows of these keys. */
export function without<Row>(rows: Row[], gone: ReadonlySet<string>, key: (row: Row) => string): Row[] {
  return rows.filter((one) => !gone.has(key(one)))
}
