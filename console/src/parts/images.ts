/** Tags put together by the digests that they name. */

export interface Tag {
  name: string
  digest: string | null
  sizeBytes: number | null
  platforms: string[]
  pushedAt: string | null
  pulledAt: string | null
  runningIn: number
}

export interface Use {
  environment: string
  namespace: string
  owner: string
  image: string
}

export interface Image {
  repository: string
  reference: string
  digest: string
  mediaType: string
  artifactType: string | null
  createdAt: string | null
  pin: string
  platforms: { platform: string | null; digest: string; sizeBytes: number | null }[]
  artifacts: Record<string, number> | null
  usedBy: Use[]
}

export interface Row {
  digest: string | null
  tags: string[]
  platforms: string[]
  sizeBytes: number | null
  pushedAt: string | null
  runningIn: number
  artifacts: Record<string, number> | null
}

/** A row for each digest, in the order in which tags first name it. A tag whose digest is not known stands alone. */
export function byDigest(tags: Tag[], images: Map<string, Image>): Row[] {
  const rows = new Map<string, Row>()
  for (const tag of tags) {
    const image = images.get(tag.name)
    const digest = tag.digest ?? image?.digest ?? null
    const key = digest ?? `tag ${tag.name}`
    const row = rows.get(key)
    if (row) {
      row.tags.push(tag.name)
      row.runningIn += tag.runningIn
      continue
    }
    const told = image?.platforms.flatMap((one) => (one.platform ? [one.platform] : [])) ?? []
    const sizes = image?.platforms.map((one) => one.sizeBytes) ?? []
    rows.set(key, {
      digest,
      tags: [tag.name],
      platforms: told.length ? told : tag.platforms,
      sizeBytes: tag.sizeBytes ?? (sizes.length && !sizes.includes(null) ? sizes.reduce((sum: number, one) => sum + (one ?? 0), 0) : null),
      pushedAt: tag.pushedAt ?? image?.createdAt ?? null,
      runningIn: tag.runningIn,
      artifacts: image?.artifacts ?? null,
    })
  }
  return [...rows.values()]
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** "83 MB": as registries count, by thousands. */
export function size(bytes: number): string {
  let left = bytes
  let unit = 0
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000
    unit += 1
  }
  return `${left < 10 && unit ? left.toFixed(1) : Math.round(left)} ${UNITS[unit]}`
}
