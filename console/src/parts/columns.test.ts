import { describe, expect, it } from 'vitest'

import { shownColumns, slug, toggled } from './columns'

const ALL = [{ title: 'Name' }, { title: 'Last push' }, { title: 'Health' }, { title: 'Actions', actions: true }]
const titles = (asked: string) => shownColumns(ALL, asked).map((one) => one.title)

describe('columns', () => {
  it('have names that an address can hold', () => {
    expect(ALL.map(slug)).toEqual(['name', 'last-push', 'health', 'actions'])
    expect(slug({ title: ' <b>CVE & fix</b>! ' })).toBe('b-cve-fix-b')
  })

  it('are all shown unless the address says otherwise', () => {
    expect(titles('')).toEqual(['Name', 'Last push', 'Health', 'Actions'])
    expect(titles('name,health')).toEqual(['Name', 'Health', 'Actions'])
    expect(titles('name')).toEqual(['Name', 'Actions'])
  })

  it('that another list was asked for are passed over', () => {
    expect(titles('namespace,why')).toEqual(['Name', 'Last push', 'Health', 'Actions'])
    expect(titles('name,gone,health')).toEqual(['Name', 'Health', 'Actions'])
  })

  it('go and come one by one; what says which row it is stays', () => {
    const without = toggled(ALL, '', ALL[1]!)
    expect(without).toBe('name,health')
    const less = toggled(ALL, without, ALL[2]!)
    expect(less).toBe('name')
    expect(toggled(ALL, less, ALL[2]!)).toBe(without)
    expect(toggled(ALL, without, ALL[1]!)).toBe('')
  })
})
