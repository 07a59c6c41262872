/** Exemptions: their document, their states, and how far one has gone. */
import type { Document } from '../../api/documents'
import { fresh } from '../../api/documents'

export interface ExemptionSpec {
  policy: string
  scope: { groups?: string[]; namespaces?: string[]; image: string }
  reason: string
  ticket?: string
  owner: string
  expiresAt: string
}

export interface ExemptionStatus {
  state: string
  requestedBy?: string
  decidedBy?: string
  decidedAt?: string
  comment?: string
  renewal?: { expiresAt: string; requestedBy: string; comment?: string }
}

export type Exemption = Document<ExemptionSpec, ExemptionStatus>

export const STATES: [string, string][] = [
  ['requested', 'requested'],
  ['active', 'active'],
  ['denied', 'denied'],
  ['revoked', 'revoked'],
  ['expired', 'expired'],
]

type Look = 'good' | 'unknown' | 'bad' | 'warning' | 'watching' | 'off'

/** An exemption in force is never green: it is a hole that somebody has asked for. */
const LOOKS: Record<string, Look> = {
  requested: 'watching',
  approved: 'warning',
  active: 'warning',
  expiring: 'warning',
  denied: 'off',
  revoked: 'off',
  expired: 'off',
}

export const lookOf = (state: string | undefined): Look => LOOKS[state ?? ''] ?? 'unknown'

export const inForce = (state: string | undefined) => ['approved', 'active', 'expiring'].includes(state ?? '')

/** How much of its time has gone, from 0 to 1. It begins with the decision, or with the request. */
export function gone(exemption: Exemption, now: number): number {
  const begun = Date.parse(exemption.status?.decidedAt ?? exemption.status?.createdAt ?? '')
  const ends = Date.parse(exemption.spec.expiresAt)
  if (!(ends > begun)) return 1
  return Math.min(1, Math.max(0, (now - begun) / (ends - begun)))
}

/** Days that an exemption is asked for at most, as the server has it; what lasts longer belongs in the policy. */
export const MOST_DAYS = 90

export interface Draft {
  name: string
  policy: string
  image: string
  groups: string[]
  namespaces: string
  reason: string
  ticket: string
  owner: string
  /** "2026-12-01". */
  until: string
}

/** Names out of a text, by commas and spaces. */
export const names = (text: string) => text.split(/[\s,]+/).filter(Boolean)

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** The day after `days` days, in UTC. */
export function day(now: number, days: number): string {
  return new Date(now + days * 86_400_000).toISOString().slice(0, 10)
}

/** What is wrong with a draft, by field. */
export function faults(draft: Draft, now: number): Partial<Record<keyof Draft, string>> {
  const found: Partial<Record<keyof Draft, string>> = {}
  if (!NAME.test(draft.name)) found.name = 'lower-case letters, digits and dashes, up to 63'
  if (!draft.policy) found.policy = 'choose the policy that it is an exception to'
  if (!draft.image.trim()) found.image = 'a repository as host/path, or a digest as sha256:…'
  const bad = names(draft.namespaces).find((one) => !NAME.test(one))
  if (bad) found.namespaces = `${bad} is not the name of a namespace`
  if (!draft.reason.trim()) found.reason = 'whoever approves decides by it'
  if (!draft.owner.trim()) found.owner = 'a person or a team that answers for it'
  if (!/^\d{4}-\d\d-\d\d$/.test(draft.until) || Number.isNaN(Date.parse(draft.until))) found.until = 'a day, as 2026-12-01'
  else if (Date.parse(draft.until) <= now) found.until = 'a day to come'
  else if (draft.until > day(now, MOST_DAYS)) found.until = `at most ${MOST_DAYS} days; what lasts longer belongs in the policy`
  return found
}

/** A name that says what it is for, from the image. */
export function suggested(image: string, until: string): string {
  const last = image.replace(/[@:].*$/, '').split('/').pop() ?? ''
  const base = last.toLowerCase().replace(/[^a-z0-9-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 40)
  return base ? `${base}-until-${until}` : ''
}

export function documentOf(draft: Draft): Document<ExemptionSpec> {
  const namespaces = names(draft.namespaces)
  return fresh('Exemption', draft.name, {
    policy: draft.policy,
    scope: {
      ...(draft.groups.length ? { groups: draft.groups } : {}),
      ...(namespaces.length ? { namespaces } : {}),
      image: draft.image.trim(),
    },
    reason: draft.reason.trim(),
    ...(draft.ticket.trim() ? { ticket: draft.ticket.trim() } : {}),
    owner: draft.owner.trim(),
    expiresAt: `${draft.until}T00:00:00Z`,
  })
}
