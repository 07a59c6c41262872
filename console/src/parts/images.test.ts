import { expect, test } from 'vitest'

import { byDigest, size, type Image, type Tag } from './images'

const tag = (name: string, digest: string | null, runningIn = 0): Tag => ({
  name,
  digest,
  sizeBytes: null,
  platforms: [],
  pushedAt: null,
  pulledAt: null,
  runningIn,
})
const image = (digest: string): Image => ({
  repository: 'a',
  reference: '',
  digest,
  mediaType: '',
  artifactType: null,
  createdAt: null,
  pin: '',
  platforms: [
    { platform: 'linux/amd64', digest: 'x', sizeBytes: 100 },
    { platform: 'linux/arm64', digest: 'y', sizeBytes: 200 },
  ],
  artifacts: { signature: 1 },
  usedBy: [],
})

test('tags of one digest are one row, and their uses are added', () => {
  const rows = byDigest([tag('1.4', 'sha256:a', 2), tag('2.0', 'sha256:b'), tag('latest', 'sha256:a', 1)], new Map())
  expect(rows.map((row) => [row.digest, row.tags, row.runningIn])).toEqual([
    ['sha256:a', ['1.4', 'latest'], 3],
    ['sha256:b', ['2.0'], 0],
  ])
})

test('a digest that the list does not tell comes from the image', () => {
  const images = new Map([
    ['1', image('sha256:a')],
    ['2', image('sha256:a')],
  ])
  const [row, ...others] = byDigest([tag('1', null), tag('2', null), tag('3', null)], images)
  expect(row).toMatchObject({ digest: 'sha256:a', tags: ['1', '2'], sizeBytes: 300, platforms: ['linux/amd64', 'linux/arm64'] })
  expect(others).toMatchObject([{ digest: null, tags: ['3'], sizeBytes: null }])
})

test('sizes are short', () => {
  expect([0, 999, 1500, 83_000_000, 12_345_678_901].map(size)).toEqual(['0 B', '999 B', '1.5 KB', '83 MB', '12 GB'])
})
