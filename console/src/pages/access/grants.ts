/**
 * Changes of accesses out of places that somebody chose: one document for each registry and environment, widened where
 * there is one that says the same, narrowed or deleted where a grant is taken back. Nothing is sent from here.
 */
import { fresh, type Document, type Mode } from '../../api/documents'
import type { Change } from '../../parts/InCode'

export interface Delivery {
  mode: Mode
  serviceAccounts: 'default' | 'all' | 'none'
}

export const USUAL: Delivery = { mode: 'standing', serviceAccounts: 'default' }

/** A registry in a namespace, or for a user or team. */
export interface Place {
  registry: string
  environment: string
  namespace?: string
  team?: string
  user?: string
}

export interface AccessSpec {
  registry: string
  environment?: string
  project?: string
  namespaces?: { names?: string[]; selector?: object }
  subjects?: { teams?: string[]; users?: string[] }
  delivery?: { mode?: Mode; serviceAccounts?: unknown }
}

export type Access = Document<AccessSpec>

/** The access of this name, null where there is none that the reader may see. */
export type LookUp = (name: string) => Promise<Access | null>

const LONGEST = 63
const MOST_TRIES = 20

/** FNV-1a: tells names apart that are cut alike. */
function mark(text: string): string {
  let found = 0x811c9dc5
  for (const one of text) found = Math.imul(found ^ (one.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return found.toString(16).padStart(8, '0')
}

/** REGISTRY-ENVIRONMENT, as `portreeve grant` names it; no longer than names may be. */
export function usualName(registry: string, environment: string, number = 1): string {
  const whole = `${registry}-${environment}`
  const suffix = number > 1 ? `-${number}` : ''
  if (whole.length + suffix.length <= LONGEST) return whole + suffix
  return `${whole.slice(0, LONGEST - 9 - suffix.length).replace(/[-.]+$/, '')}-${mark(whole)}${suffix}`
}

function sameDelivery(access: Access, delivery: Delivery): boolean {
  const held = access.spec.delivery ?? {}
  return (held.mode ?? 'standing') === delivery.mode && (held.serviceAccounts ?? 'default') === delivery.serviceAccounts
}

function sorted(...names: (string | undefined)[]): string[] {
  return [...new Set(names.filter((one): one is string => Boolean(one)))].sort()
}

function spec(places: Place[], before: Access | null, delivery: Delivery): AccessSpec {
  const [first] = places as [Place]
  const base = { registry: first.registry, environment: first.environment, delivery: { ...delivery } }
  if (first.namespace !== undefined) {
    const names = sorted(...(before?.spec.namespaces?.names ?? []), ...places.map((one) => one.namespace))
    return { ...base, namespaces: { names } }
  }
  const held = before?.spec.subjects ?? {}
  const teams = sorted(...(held.teams ?? []), ...places.map((one) => one.team))
  const users = sorted(...(held.users ?? []), ...places.map((one) => one.user))
  return { ...base, subjects: { ...(teams.length ? { teams } : {}), ...(users.length ? { users } : {}) } }
}

/** Whether an access may be widened by these places: same registry, environment, delivery and way to say where. */
function fits(access: Access, place: Place, delivery: Delivery): boolean {
  const { registry, environment, project, namespaces, subjects } = access.spec
  if (registry !== place.registry || environment !== place.environment || project) return false
  if (!sameDelivery(access, delivery) || namespaces?.selector) return false
  return place.namespace === undefined ? Boolean(subjects) : Boolean(namespaces)
}

/** What grants these places. */
export async function granting(places: Place[], delivery: Delivery, lookUp: LookUp): Promise<Change> {
  const pairs = new Map<string, Place[]>()
  for (const one of places) {
    const key = `${one.registry}\n${one.environment}\n${one.namespace === undefined}`
    pairs.set(key, [...(pairs.get(key) ?? []), one])
  }
  const documents: Access[] = []
  for (const held of pairs.values()) {
    const [first] = held as [Place]
    for (let number = 1; number <= MOST_TRIES; number += 1) {
      const name = usualName(first.registry, first.environment, number)
      const before = await lookUp(name)
      if (before && !fits(before, first, delivery)) continue
      const made = fresh('RegistryAccess', name, spec(held, before, delivery))
      documents.push(before ? { ...before, spec: made.spec } : made)
      break
    }
  }
  return { documents }
}

/** What grants a registry to the namespaces with these labels; none means all. */
export async function grantingByLabels(
  registry: string,
  environments: string[],
  labels: Record<string, string>,
  delivery: Delivery,
  lookUp: LookUp,
): Promise<Change> {
  const selector = Object.keys(labels).length ? { matchLabels: labels } : {}
  const documents: Access[] = []
  for (const environment of environments) {
    for (let number = 1; number <= MOST_TRIES; number += 1) {
      const name = usualName(registry, environment, number)
      // A grant by labels is a document of its own: widening one that names namespaces would hide what it reaches.
      if (await lookUp(name)) continue
      documents.push(fresh('RegistryAccess', name, { registry, environment, namespaces: { selector }, delivery: { ...delivery } }))
      break
    }
  }
  return { documents }
}

export interface Kept {
  place: Place
  why: string
}

/** Places, each with the documents that grant it. */
export interface Held extends Place {
  by: { kind: string; name: string }[]
}

/** What takes these grants back, and which of them cannot be taken back place by place. */
export async function revoking(places: Held[], lookUp: LookUp): Promise<{ change: Change; kept: Kept[] }> {
  const kept: Kept[] = []
  const wanted = new Map<string, Held[]>()
  for (const place of places) {
    for (const one of place.by) {
      if (one.kind !== 'RegistryAccess') {
        kept.push({ place, why: `the policy ${one.name} grants it: change the policy` })
      } else {
        wanted.set(one.name, [...(wanted.get(one.name) ?? []), place])
      }
    }
  }
  const documents: Access[] = []
  const removed: Change['delete'] = []
  for (const [name, held] of wanted) {
    const before = await lookUp(name)
    if (!before) {
      kept.push(...held.map((place) => ({ place, why: `the access ${name} is not yours to see` })))
      continue
    }
    const names = before.spec.namespaces?.names ?? []
    const byName = held.filter((one) => one.namespace === undefined || names.includes(one.namespace))
    kept.push(
      ...held.filter((one) => !byName.includes(one)).map((place) => ({ place, why: `the access ${name} selects it by its labels: change that access` })),
    )
    if (!byName.length) continue
    const after = without(before, byName)
    if (after) documents.push(after)
    else removed.push({ kind: 'RegistryAccess', name, etag: before.status?.etag })
  }
  return { change: { documents, delete: removed }, kept }
}

/** The access without these places; null where nothing is left of it. */
function without(access: Access, places: Place[]): Access | null {
  const { namespaces, subjects, ...rest } = access.spec
  if (places[0]?.namespace !== undefined) {
    const gone = places.map((one) => one.namespace)
    const names = (namespaces?.names ?? []).filter((one) => !gone.includes(one))
    if (!names.length && !namespaces?.selector) return null
    const { names: _names, ...more } = namespaces ?? {}
    return { ...access, spec: { ...rest, namespaces: names.length ? { ...more, names } : more } }
  }
  const teams = (subjects?.teams ?? []).filter((one) => !places.some((place) => place.team === one))
  const users = (subjects?.users ?? []).filter((one) => !places.some((place) => place.user === one))
  if (!teams.length && !users.length) return null
  return { ...access, spec: { ...rest, subjects: { ...(teams.length ? { teams } : {}), ...(users.length ? { users } : {}) } } }
}
