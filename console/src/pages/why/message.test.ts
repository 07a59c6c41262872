import { describe, expect, it } from 'vitest'

import { readFragment, readMessage, writeFragment } from './message'

const TOKEN = 'AbC-_0123456789AbC-_0123'
const MESSAGE =
  'Error from server (Forbidden): pods "tried" is forbidden: ValidatingAdmissionPolicy \'portreeve-images\' with binding ' +
  "'portreeve-images-deny' denied request: image redis:7 not allowed in namespace shop (policy prod-sources, generation 4); " +
  `why: portreeve explain redis:7 -n shop or open https://portreeve.example.com/here/why#${TOKEN}/shop/redis:7`

describe('an admission message', () => {
  it('is read from its link', () => {
    const asked = { token: TOKEN, namespace: 'shop', image: 'docker.io/library/redis:7@sha256:ab' }
    expect(readFragment(writeFragment(asked))).toEqual(asked)
    expect(readFragment('')).toEqual({ token: '', namespace: '', image: '' })
    expect(readFragment(`#${TOKEN}/shop/`)).toEqual({ token: TOKEN, namespace: 'shop', image: '' })
  })

  it('is read as it stands in a terminal, a log and a broken line', () => {
    const facts = { token: TOKEN, namespace: 'shop', image: 'redis:7', policy: 'prod-sources', generation: '4' }
    expect(readMessage(MESSAGE)).toEqual(facts)
    expect(readMessage(`"message": "${MESSAGE}"`)).toEqual(facts)
    expect(readMessage(MESSAGE.replace('generation 4', 'generation\n  4'))).toEqual(facts)
  })

  it('is read without a link, as a control plane without an address writes it', () => {
    const found = readMessage(MESSAGE.split(' or open')[0] ?? '')
    expect(found).toEqual({ token: '', namespace: 'shop', image: 'redis:7', policy: 'prod-sources', generation: '4' })
    const many = 'images a.io/x:1, b.io/y:2 not allowed in namespace shop (policy p, generation 1); why: portreeve explain'
    expect(readMessage(many)?.image).toBe('a.io/x:1')
  })

  it('is nothing else', () => {
    expect(readMessage('')).toBeNull()
    expect(readMessage('ImagePullBackOff')).toBeNull()
  })
})
