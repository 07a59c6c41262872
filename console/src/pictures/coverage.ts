/** What is known of each namespace by layer of defence. What is not measured yet is unknown: blank, and never good. */
import type { components } from '../api/schema'

type Square = components['schemas']['FleetSquare']

export interface Layer {
  name: string
  title: string
}

export const LAYERS: Layer[] = [
  { name: 'source', title: 'Source policy' },
  { name: 'signature', title: 'Signature' },
  { name: 'scan', title: 'Scan' },
  { name: 'sbom', title: 'SBOM' },
]

export interface Cell {
  /** From 0 to 1; null is unknown. */
  share: number | null
  words: string
}

export interface Covered {
  environment: string
  namespace: string
  images: number
  cells: Cell[]
}

const UNKNOWN: Cell = { share: null, words: 'unknown: nothing measures this yet' }

/** A row for each namespace, those first that are covered least. */
export function covered(squares: Square[]): Covered[] {
  return squares
    .filter((one) => (one.images ?? 0) > 0)
    .map((one) => ({
      environment: one.environment,
      namespace: one.namespace,
      images: one.images ?? 0,
      cells: [source(one), UNKNOWN, UNKNOWN, UNKNOWN],
    }))
    .sort(
      (one, other) =>
        (one.cells[0]?.share ?? -1) - (other.cells[0]?.share ?? -1) ||
        other.images - one.images ||
        (`${one.environment}/${one.namespace}` < `${other.environment}/${other.namespace}` ? -1 : 1),
    )
}

function source(one: Square): Cell {
  if (one.coverage === null || one.coverage === undefined) return { share: null, words: 'unknown: nobody has told what runs' }
  if (one.stale) return { share: null, words: 'unknown: what is told of it is old' }
  const percent = Math.floor(one.coverage * 100)
  return { share: one.coverage, words: `${percent}% of what runs is judged by a policy` }
}

/** Which of five steps a share is; it is full only if nothing is missing. */
export function step(share: number): 0 | 1 | 2 | 3 | 4 {
  if (share >= 1) return 4
  if (share <= 0) return 0
  return share < 0.5 ? 1 : share < 0.9 ? 2 : 3
}
