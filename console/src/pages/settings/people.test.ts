import { describe, expect, it } from 'vitest'

import { tokenFault } from './account'
import { binding, bindingForm, meaning, nameFault, project, spaces, spacesText, team, user } from './people'

describe('documents of people', () => {
  it('hold what their form says, and nothing empty', () => {
    expect(user(null, 'ada', 'Ada', false).spec).toEqual({ title: 'Ada' })
    expect(user(null, 'ada', '', true).spec).toEqual({ disabled: true })
    expect(team(null, 'shop', '', 'ada bea,cy', 'Shop Leads\nx').spec).toEqual({ members: ['ada', 'bea', 'cy'], oidcGroups: ['Shop Leads', 'x'] })
    expect(project(null, 'shop', '', '', 'leads', 'prod-eu: shop, jobs\n\n').spec).toEqual({
      namespaces: [{ environment: 'prod-eu', names: ['shop', 'jobs'] }],
      admins: { teams: ['leads'] },
    })
  })

  it('keep their labels when they are changed', () => {
    const before = { ...team(null, 'shop', '', 'ada', ''), metadata: { name: 'shop', labels: { a: 'b' } } }
    expect(team(before, 'ignored', 'Shop', 'ada', '').metadata).toEqual({ name: 'shop', labels: { a: 'b' } })
  })

  it('of a role say what they mean', () => {
    const form = { ...bindingForm(null), role: 'operator', users: 'ada', teams: 'leads', groups: 'production', namespaces: 'shop' }
    const made = binding(null, 'shop-operators', form)
    expect(made.spec).toEqual({
      role: 'operator',
      subjects: { users: ['ada'], teams: ['leads'] },
      scope: { groups: ['production'], namespaces: ['shop'] },
    })
    expect(bindingForm(made)).toEqual(form)
    expect(meaning(made)).toBe('ada, everybody in leads are operator in the group production, in the namespace shop.')
    expect(meaning(binding(null, 'a', { ...bindingForm(null), role: 'auditor', users: 'ada' }))).toBe('ada is auditor everywhere.')
  })

  it('read back the namespaces of a project', () => {
    const found = [{ environment: 'prod-eu', names: ['shop', 'jobs'] }, { environment: 'dev', names: ['shop'] }]
    expect(spaces(spacesText(found))).toEqual(found)
  })

  it('have names that are DNS labels', () => {
    expect(nameFault('shop-leads')).toBeUndefined()
    for (const bad of ['', 'Shop', '-a', 'a_b', 'a'.repeat(64)]) expect(nameFault(bad)).toBeDefined()
  })
})

describe('a token', () => {
  it('ends within a year', () => {
    const now = Date.parse('2026-11-28T12:00:00Z')
    expect(tokenFault('2027-02-01', now)).toBeUndefined()
    expect(tokenFault('2026-11-28', now)).toBe('a day to come')
    expect(tokenFault('2028-01-01', now)).toBe('at most 366 days')
    expect(tokenFault('soon', now)).toBe('a day, as 2027-01-31')
  })
})
