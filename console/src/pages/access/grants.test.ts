import { describe, expect, it } from 'vitest'

import { fresh } from '../../api/documents'
import { granting, grantingByLabels, revoking, usualName, USUAL, type Access, type AccessSpec, type LookUp } from './grants'

const access = (name: string, spec: Partial<AccessSpec>): Access =>
  fresh('RegistryAccess', name, { registry: 'harbor', environment: 'prod', ...spec })

const holding =
  (...held: Access[]): LookUp =>
  (name) =>
    Promise.resolve(held.find((one) => one.metadata.name === name) ?? null)

const place = (namespace: string, registry = 'harbor') => ({ registry, environment: 'prod', namespace })

describe('granting', () => {
  it('makes one document for each registry and environment', async () => {
    const change = await granting([place('shop'), place('pay'), place('shop', 'quay')], USUAL, holding())
    expect(change.documents?.map((one) => [one.metadata.name, one.spec.namespaces])).toEqual([
      ['harbor-prod', { names: ['pay', 'shop'] }],
      ['quay-prod', { names: ['shop'] }],
    ])
  })

  it('widens a document that says the same, and keeps its labels', async () => {
    const before = access('harbor-prod', { namespaces: { names: ['shop'] } })
    before.metadata.labels = { team: 'a' }
    const change = await granting([place('pay')], USUAL, holding(before))
    expect(change.documents).toEqual([
      { ...before, spec: { ...before.spec, namespaces: { names: ['pay', 'shop'] }, delivery: { ...USUAL } } },
    ])
  })

  it.each([
    access('harbor-prod', { registry: 'other', namespaces: { names: ['shop'] } }),
    access('harbor-prod', { environment: 'west', namespaces: { names: ['shop'] } }),
    access('harbor-prod', { namespaces: { names: ['shop'] }, delivery: { mode: 'lease' } }),
    access('harbor-prod', { namespaces: { names: ['shop'], selector: {} } }),
    access('harbor-prod', { subjects: { teams: ['ops'] } }),
  ])('never writes over a document that says something else', async (before) => {
    const change = await granting([place('pay')], USUAL, holding(before))
    expect(change.documents?.map((one) => one.metadata.name)).toEqual(['harbor-prod-2'])
  })

  it('names people on Docker and Swarm', async () => {
    const before = access('harbor-host', { environment: 'host', subjects: { teams: ['ops'] } })
    const places = [{ registry: 'harbor', environment: 'host', user: 'ada' }]
    const change = await granting(places, USUAL, holding(before))
    expect(change.documents?.[0]?.spec.subjects).toEqual({ teams: ['ops'], users: ['ada'] })
  })

  it('selects by labels in documents of their own', async () => {
    const change = await grantingByLabels('harbor', ['prod', 'west'], { team: 'a' }, USUAL, holding(access('harbor-prod', {})))
    expect(change.documents?.map((one) => [one.metadata.name, one.spec.namespaces])).toEqual([
      ['harbor-prod-2', { selector: { matchLabels: { team: 'a' } } }],
      ['harbor-west', { selector: { matchLabels: { team: 'a' } } }],
    ])
    const all = await grantingByLabels('harbor', ['prod'], {}, USUAL, holding())
    expect(all.documents?.[0]?.spec.namespaces).toEqual({ selector: {} })
  })

  it('has names that are no longer than names may be, and differ', () => {
    const long = 'r'.repeat(60)
    expect(usualName(long, 'prod').length).toBeLessThanOrEqual(63)
    expect(usualName(long, 'prod', 2).length).toBeLessThanOrEqual(63)
    expect(usualName(long, 'prod')).not.toBe(usualName(long, 'west'))
  })
})

describe('revoking', () => {
  const by = [{ kind: 'RegistryAccess', name: 'a' }]

  it('takes names out, and deletes what then names nothing', async () => {
    const wide = access('a', { namespaces: { names: ['pay', 'shop'] } })
    const narrowed = await revoking([{ ...place('shop'), by }], holding(wide))
    expect(narrowed.change.documents?.[0]?.spec.namespaces).toEqual({ names: ['pay'] })
    const gone = await revoking([{ ...place('shop'), by }, { ...place('pay'), by }], holding(wide))
    expect(gone.change).toEqual({ documents: [], delete: [{ kind: 'RegistryAccess', name: 'a', etag: undefined }] })
  })

  it('keeps a selector, and says that it selects', async () => {
    const wide = access('a', { namespaces: { names: ['shop'], selector: {} } })
    const found = await revoking([{ ...place('shop'), by }, { ...place('pay'), by }], holding(wide))
    expect(found.change.documents?.[0]?.spec.namespaces).toEqual({ selector: {} })
    expect(found.kept.map((one) => one.place.namespace)).toEqual(['pay'])
  })

  it('says of policies that they have to be changed', async () => {
    const found = await revoking([{ ...place('shop'), by: [{ kind: 'RegistryPolicy', name: 'p' }] }], holding())
    expect(found).toEqual({ change: { documents: [], delete: [] }, kept: [expect.objectContaining({ why: expect.stringContaining('policy p') })] })
  })

  it('takes people out', async () => {
    const wide = access('a', { environment: 'host', subjects: { teams: ['ops'], users: ['ada'] } })
    const found = await revoking([{ registry: 'harbor', environment: 'host', team: 'ops', by }], holding(wide))
    expect(found.change.documents?.[0]?.spec.subjects).toEqual({ users: ['ada'] })
  })
})
