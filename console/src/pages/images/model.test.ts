import { describe, expect, it } from 'vitest'

import { detailOf, happens, repositoryOf, shortened, whyOf, type Explained } from './model'

const explained = (changed: Partial<Explained>): Explained => ({
  environment: 'e', namespace: 'n', image: 'i', canonical: 'c', verdict: 'DENY', stage: 'deny', enforcedBy: 'admission',
  policy: null, reasons: [], nearest: null, message: null, trace: [], pull: null, ...changed,
})

describe('an image', () => {
  it('is explained at an address of its own, whatever is in its name', () => {
    expect(detailOf({ image: 'a/b:1@sha256:ff', environment: 'prod eu', namespace: 'shop' })).toBe(
      '/images/explained?image=a%2Fb%3A1%40sha256%3Aff&environment=prod+eu&namespace=shop',
    )
  })

  it('has a repository without tag and digest; a port is none', () => {
    expect(repositoryOf('registry:5000/team/app:1@sha256:ff')).toBe('registry:5000/team/app')
    expect(repositoryOf('registry:5000/team/app')).toBe('registry:5000/team/app')
  })

  it('says why there is no verdict', () => {
    expect(whyOf({ verdict: null, reason: null, stage: null })).toContain('no policy')
    expect(whyOf({ verdict: null, reason: null, stage: 'off' })).toContain('off')
    expect(whyOf({ verdict: 'DENY', reason: 'because', stage: 'deny' })).toBe('because')
  })

  it('has a digest that can be told apart by eye', () => {
    expect(shortened(`sha256:${'ab'.repeat(32)}`)).toBe('sha256:abababababab')
    expect(shortened('odd')).toBe('odd')
  })
})

describe('what happens', () => {
  it('is never called enforced where nothing in the cluster looks', () => {
    expect(happens(explained({ enforcedBy: 'deployment time only' }))).toContain('deployment time only')
  })

  it('follows the stage', () => {
    expect(happens(explained({}))).toBe('The cluster refuses it.')
    expect(happens(explained({ stage: 'audit' }))).toContain('lets it through')
    expect(happens(explained({ verdict: null, stage: null }))).toContain('Nothing is judged')
    expect(happens(explained({ verdict: 'ALLOW' }))).toBe('It is let through.')
  })
})
