import { describe, expect, it } from 'vitest'

import { asSent } from './documents'

describe('a row that is taken along', () => {
  it('is a document as it is applied, or what was answered', () => {
    const document = { apiVersion: 'portreeve.io/v1', kind: 'Registry', metadata: { name: 'harbor' }, spec: { host: 'h' }, status: { uid: '1' } }
    expect(asSent(document)).toEqual({ apiVersion: 'portreeve.io/v1', kind: 'Registry', metadata: { name: 'harbor' }, spec: { host: 'h' } })
    expect(asSent({ name: 'harbor', status: 'x' })).toEqual({ name: 'harbor', status: 'x' })
  })
})
