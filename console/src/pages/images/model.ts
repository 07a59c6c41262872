/** What runs, as the server lists it, and what is said of one image in one place. */
import { withQuery } from '../../api/client'
import type { components, operations } from '../../api/schema'

export type Image = components['schemas']['Image']
export type ImageList = operations['list_images']['responses']['200']['content']['application/json']
export type Explained = operations['read_verdict']['responses']['200']['content']['application/json']

export const VERDICTS: [string, string][] = [
  ['DENY', 'Denied'],
  ['UNKNOWN', 'Unknown'],
  ['NOT_JUDGED', 'No policy'],
  ['ALLOW', 'Allowed'],
]

export const STAGES = ['off', 'audit', 'warn', 'deny']

/** Where one image in one place is explained: a reference holds slashes, so it stands in the query. */
export function detailOf(row: Pick<Image, 'image' | 'environment' | 'namespace'>): string {
  return withQuery('/images/explained', { image: row.image, environment: row.environment, namespace: row.namespace })
}

/** What stands before an image that the reader may want to allow: host and path, without tag and digest. */
export function repositoryOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
}

/** Why, in the words of the verdict; where there is no verdict that is said, and not left blank. */
export function whyOf(row: Pick<Image, 'verdict' | 'reason' | 'stage'>): string {
  if (row.reason) return row.reason
  if (row.verdict === null) return row.stage === 'off' ? 'its policy is off' : 'no policy judges what runs there'
  return ''
}

/** A digest as it is told apart by eye. */
export function shortened(digest: string): string {
  const [kind, hex = ''] = digest.split(':')
  return hex ? `${kind}:${hex.slice(0, 12)}` : digest
}

const REFUSES: Record<string, string> = {
  deny: 'The cluster refuses it',
  warn: 'The cluster lets it through and warns',
  audit: 'The cluster lets it through and notes it',
  off: 'Nothing is judged',
}

/** What happens to a pod with this image that is made now. */
export function happens(found: Explained): string {
  if (found.verdict === null || found.stage === null) return 'Nothing is judged there: no policy is in force.'
  if (found.verdict === 'ALLOW') return 'It is let through.'
  if (found.enforcedBy !== 'admission') return 'Nothing in the cluster looks at it: the policy counts at deployment time only.'
  return `${REFUSES[found.stage] ?? 'Nobody knows what happens'}.`
}
