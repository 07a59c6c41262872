/** Where the groups, environments and namespaces of the fleet lie: nested, each as large as what runs in it. */
import type { components } from '../api/schema'
import { asWord, type Word } from './fills'
import { inner, treemap, type Box } from './treemap'

export type Square = components['schemas']['FleetSquare']
export type Rest = components['schemas']['FleetRest']

export interface Drawn {
  box: Box
  group: string
  environment: string
  /** "" is the rest of an environment. */
  namespace: string
  images: number
  word: Word
  stale: boolean
  /** How many namespaces a rest stands for. */
  namespaces: number
}

export interface Placed {
  groups: { name: string; images: number; box: Box }[]
  environments: { name: string; group: string; images: number; box: Box }[]
  squares: Drawn[]
}

/** Room for the name of a group, and of an environment. */
const GROUP_HEAD = 18
const ENVIRONMENT_HEAD = 14
const MARGIN = 3

type Part = Omit<Drawn, 'box'>

function parts(squares: Square[], rest: Rest[]): Part[] {
  const shown = squares.map((one) => ({ ...common(one), namespace: one.namespace, namespaces: 1 }))
  const left = rest.map((one) => ({ ...common(one), namespace: '', namespaces: one.namespaces }))
  return [...shown, ...left].filter((one) => one.images > 0)
}

function common(one: Square | Rest) {
  return {
    group: one.group,
    environment: one.environment,
    images: one.images ?? 0,
    word: asWord(one.worst),
    stale: one.stale,
  }
}

function gathered<Item>(items: Item[], key: (item: Item) => string): [string, Item[]][] {
  const found = new Map<string, Item[]>()
  for (const item of items) found.set(key(item), [...(found.get(key(item)) ?? []), item])
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1))
}

const sum = (items: { images: number }[]) => items.reduce((total, one) => total + one.images, 0)

/** Everything with its place. Heads are left out where there is no room for them. */
export function placed(squares: Square[], rest: Rest[], box: Box): Placed {
  const found: Placed = { groups: [], environments: [], squares: [] }
  const groups = gathered(parts(squares, rest), (one) => one.group)
  const outer = treemap(groups.map(([, held]) => sum(held)), box)
  groups.forEach(([name, held], at) => {
    const mine = outer[at]!
    found.groups.push({ name, images: sum(held), box: mine })
    const environments = gathered(held, (one) => one.environment)
    const within = inner(mine, MARGIN, headed(mine, GROUP_HEAD))
    const boxes = treemap(environments.map(([, ones]) => sum(ones)), within)
    environments.forEach(([environment, ones], index) => {
      const place = boxes[index]!
      found.environments.push({ name: environment, group: name, images: sum(ones), box: place })
      const inside = inner(place, 1, headed(place, ENVIRONMENT_HEAD))
      treemap(ones.map((one) => one.images), inside).forEach((cell, number) => {
        found.squares.push({ ...ones[number]!, box: cell })
      })
    })
  })
  return found
}

/** How much of a box its head takes: nothing where the head would be most of it. */
export function headed(box: Box, head: number): number {
  return box.height > head * 3 && box.width > head * 3 ? head : 0
}

/** A name that fits into so many units, at about 6 of them a letter; "" if it would say nothing. */
export function fitting(name: string, width: number): string {
  const most = Math.floor((width - 6) / 6.2)
  if (most < 3) return ''
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`
}

/** The list of images that a square stands for. */
export function listOf(one: { environment: string; namespace?: string }): Record<string, string> {
  return one.namespace ? { environment: one.environment, namespace: one.namespace } : { environment: one.environment }
}
