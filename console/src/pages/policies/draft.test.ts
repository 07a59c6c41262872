import { describe, expect, it } from 'vitest'

import { diff } from './diff'
import { added, documentOf, draftOf, empty, labels, missing, nameOf, namespacesText, sourceKey, without, type PolicyDocument, type Source } from './draft'

const stored: PolicyDocument = {
  apiVersion: 'portreeve.io/v1',
  kind: 'RegistryPolicy',
  metadata: { name: 'prod-sources', labels: { team: 'platform' } },
  spec: {
    type: 'kubernetes',
    title: 'Production sources',
    groups: ['production'],
    access: [
      {
        registry: 'harbor',
        namespaces: { selector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['backend'] }] } },
        delivery: { mode: 'lease', serviceAccounts: { names: ['builder'] } },
      },
    ],
    restrict: { stage: 'deny', includeGrantedRegistries: false, allowedSources: [{ prefix: 'base.example.com', scope: { namespaces: ['shop'] }, note: 'ours' }] },
    allowOverride: true,
  },
  status: { etag: '"x.3"' },
}

describe('a draft', () => {
  it('of a stored policy is that policy again, with what no form shows', () => {
    expect(documentOf(draftOf(stored, true))).toEqual(stored)
  })

  it('keeps the name that others refer to, whatever it is called', () => {
    const found = documentOf({ ...draftOf(stored, true), called: 'Other' })
    expect([found.metadata.name, found.spec.title]).toEqual(['prod-sources', 'Other'])
  })

  it('restricts nothing without the toggle, and keeps its rows', () => {
    const found = documentOf({ ...draftOf(stored, true), restrict: false })
    expect(found.spec.restrict?.stage).toBe('off')
    expect(found.spec.restrict?.allowedSources).toHaveLength(1)
  })

  it('has no title where the name says it', () => {
    expect(documentOf({ ...empty('kubernetes'), called: 'prod' }).spec.title).toBeUndefined()
  })

  it('says what it lacks', () => {
    expect(Object.keys(missing(empty('kubernetes')))).toEqual(['called', 'groups', 'access'])
    expect(missing({ ...empty('kubernetes'), called: '数', groups: ['g'], restrict: true })).toHaveProperty('called')
    expect(missing(draftOf(stored, true))).toEqual({})
  })
})

it('makes names that others can refer to', () => {
  const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
  for (const text of ['Production sources', ' Über-Quelle ', '--a--', 'x'.repeat(99), 'a'.repeat(62) + ' b', '<script>1']) {
    expect(nameOf(text)).toMatch(label)
  }
  expect(nameOf('Über-Quelle')).toBe('uber-quelle')
})

it('reads labels, and refuses what is none', () => {
  expect(labels('team=shop, tier=a')).toEqual({ team: 'shop', tier: 'a' })
  expect(labels('team')).toBeNull()
  expect(labels('a=b=c')).toBeNull()
})

it('says which namespaces are chosen', () => {
  expect(namespacesText({ selector: {} })).toBe('all')
  expect(namespacesText({ names: ['a'], selector: { matchLabels: { team: 'shop' } } })).toBe('a and all with team=shop')
})

it('holds a row once, and loses the rows that are taken out', () => {
  const one: Source = { prefix: 'a.example.com', scope: 'Global' }
  const other: Source = { prefix: 'a.example.com', scope: { namespaces: ['shop'] } }
  const rows = [one, other].reduce((held, row) => added(held, row, sourceKey), [one])
  expect(rows).toEqual([one, other])
  expect(without(rows, new Set([sourceKey(one)]), sourceKey)).toEqual([other])
})

it('tells two texts apart line by line', () => {
  const lines = diff('a\nb\nc\n', 'a\nx\nc\nd\n')
  expect(lines.map((one) => one.sign + one.text)).toEqual([' a', '-b', '+x', ' c', '+d'])
  expect(diff('a\nb\nz\n', 'a\nb\nc\nz\n').map((one) => one.sign)).toEqual([' ', ' ', '+', ' '])
  const long = (mark: string) => Array.from({ length: 2500 }, (_, n) => `${mark}${n}`).join('\n')
  expect(diff(`a\n${long('x')}`, `a\n${long('y')}`).filter((one) => one.sign === '-')).toHaveLength(2500)
  expect(diff('', 'a\n').map((one) => one.sign)).toEqual(['+'])
  expect(diff('a\n', 'a\n').map((one) => one.sign)).toEqual([' '])
})
