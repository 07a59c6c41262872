/** The fleet as the server answers it, and the addresses that its numbers lead to. */
import { withQuery } from '../../api/client'
import type { components, operations } from '../../api/schema'
import { here } from '../../parts/Go'

export type Fleet = operations['read_fleet']['responses']['200']['content']['application/json']
export type FleetMapAnswer = operations['read_fleet_map']['responses']['200']['content']['application/json']
export type Group = components['schemas']['FleetGroup']
export type Member = components['schemas']['FleetEnvironment']
export type Thing = components['schemas']['FleetThing']
export type Freshness = components['schemas']['Freshness']

export const WORDS = ['DENY', 'UNKNOWN', 'NOT_JUDGED', 'ALLOW'] as const
export type Word = (typeof WORDS)[number]

/** Where a thing to do leads: its page may hold a name, each part of which is encoded. */
export function linkOf(thing: Thing): string {
  return withQuery(here(...thing.link.page.split('/')), thing.link.search as Record<string, string>)
}

/** The list of images with one verdict, of all that is seen or of one environment. */
export function imagesOf(word: Word, environment?: string): string {
  return withQuery('/images', { verdict: word, environment })
}

/** "1 image", "2 images". */
export function counted(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** A share as people read it; it is whole only if nothing is missing, and "unknown" if nobody has told. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return 'unknown'
  return `${Math.floor(share * 100)}%`
}

/** What the reach of a thing to do is, in words; "" where it has none that is known. */
export function reach(thing: Thing): string {
  const parts = [
    thing.stops ? `${counted(thing.stops, 'running image')} would stop` : '',
    thing.exposed ? `${counted(thing.exposed, 'running image')} exposed` : '',
  ]
  return parts.filter(Boolean).join(', ')
}

/** Whether there is anything to look at: an environment, or a group that waits for one. */
export function isEmpty(fleet: Fleet): boolean {
  return fleet.totals.environments === 0
}
