import { describe, expect, it } from 'vitest'

import { imagesOf, linkOf, percent, reach, type Thing } from './model'

const thing = (changed: Partial<Thing> = {}): Thing => ({
  code: 'x', title: 't', why: 'w', stops: 0, exposed: 0, environments: [], command: 'portreeve up', link: { page: 'images', search: {} }, ...changed,
})

describe('links of numbers', () => {
  it('lead to the list that has that number of rows', () => {
    expect(imagesOf('DENY')).toBe('/images?verdict=DENY')
    expect(imagesOf('NOT_JUDGED', 'prod eu')).toBe('/images?verdict=NOT_JUDGED&environment=prod+eu')
  })

  it('encode whatever a name holds', () => {
    expect(linkOf(thing({ link: { page: 'environments/a?b', search: {} } }))).toBe('/environments/a%3Fb')
    expect(linkOf(thing({ link: { page: 'policies/new', search: { type: 'kubernetes' } } }))).toBe('/policies/new?type=kubernetes')
  })
})

describe('shares', () => {
  it('are whole only if nothing is missing', () => {
    expect(percent(0.9999)).toBe('99%')
    expect(percent(1)).toBe('100%')
  })

  it('are unknown where nobody has told', () => {
    expect(percent(null)).toBe('unknown')
    expect(percent(0)).toBe('0%')
  })
})

describe('reach', () => {
  it('says what would stop and what is exposed', () => {
    expect(reach(thing({ stops: 1, exposed: 1200 }))).toBe('1 running image would stop, 1,200 running images exposed')
    expect(reach(thing())).toBe('')
  })
})
