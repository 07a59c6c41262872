import { describe, expect, it } from 'vitest'

import { documentOf, faults, gone, suggested, type Draft, type Exemption } from './model'

const now = Date.parse('2026-11-28T12:00:00Z')
const draft: Draft = {
  name: 'redis-until-2026-12-10',
  policy: 'sources',
  image: 'docker.io/library/redis',
  groups: [],
  namespaces: 'cache, shop',
  reason: 'the mirror is not there yet',
  ticket: '',
  owner: 'cache-team',
  until: '2026-12-10',
}

describe('a request for an exemption', () => {
  it('becomes its document, and leaves out what is empty', () => {
    expect(documentOf(draft).spec).toEqual({
      policy: 'sources',
      scope: { namespaces: ['cache', 'shop'], image: 'docker.io/library/redis' },
      reason: 'the mirror is not there yet',
      owner: 'cache-team',
      expiresAt: '2026-12-10T00:00:00Z',
    })
  })

  it('needs a reason, an owner and an end within its limit', () => {
    expect(faults(draft, now)).toEqual({})
    const empty = faults({ ...draft, name: 'A', policy: '', image: ' ', namespaces: 'a b_', reason: '', owner: '', until: '' }, now)
    expect(Object.keys(empty).sort()).toEqual(['image', 'name', 'namespaces', 'owner', 'policy', 'reason', 'until'])
    expect(faults({ ...draft, until: '2026-11-28' }, now).until).toBe('a day to come')
    expect(faults({ ...draft, until: '2027-02-26' }, now).until).toBeUndefined()
    expect(faults({ ...draft, until: '2027-02-27' }, now).until).toContain('at most 90 days')
    expect(faults({ ...draft, until: '2026-13-40' }, now).until).toBe('a day, as 2026-12-01')
  })

  it('is given a name by its image', () => {
    expect(suggested('public.ecr.aws/docker/library/Redis_x:7', '2026-12-10')).toBe('redis-x-until-2026-12-10')
    expect(suggested('', '2026-12-10')).toBe('')
  })
})

describe('the time of an exemption', () => {
  const exemption = (decidedAt: string | undefined, expiresAt: string): Exemption => ({
    ...documentOf(draft),
    spec: { ...documentOf(draft).spec, expiresAt },
    status: { state: 'active', createdAt: '2026-11-18T12:00:00Z', ...(decidedAt ? { decidedAt } : {}) },
  })

  it('goes from the decision to the end', () => {
    expect(gone(exemption('2026-11-27T12:00:00Z', '2026-11-29T12:00:00Z'), now)).toBe(0.5)
    expect(gone(exemption(undefined, '2026-12-08T12:00:00Z'), now)).toBe(0.5)
    expect(gone(exemption('2026-11-27T12:00:00Z', '2026-11-28T00:00:00Z'), now)).toBe(1)
    expect(gone(exemption('2026-11-27T12:00:00Z', '2026-11-20T00:00:00Z'), now)).toBe(1)
  })
})
